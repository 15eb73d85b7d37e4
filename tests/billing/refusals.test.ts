import type { Types } from 'mongoose';
import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { webhookEventsOf } from '@/models/collections.ts';
import { problemOf } from '../support/api.ts';
import { STRIPE_WEBHOOK_SECRET, testApplication } from '../support/application.ts';
import { useShop } from '../support/billing.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import type { Event } from '../support/stripe/shapes.ts';

/** What comes in at /webhooks/stripe and is not ours to apply: nothing of it is kept, and Stripe is asked nothing. */
const store = useDatabase();
const shop = useShop(store);

let userId: Types.ObjectId;
/** Tells of a subscription that is paid for, and would be granted. */
let event: Event;

beforeEach(async () => {
  await webhookEventsOf(store).deleteMany({});
  userId = await signUp(store);
  const { server } = shop.current;
  shop.current.sell(shop.current.customerOf(userId), 'pro');
  const made = server.sender.undelivered().find(({ type }) => type === 'customer.subscription.created');
  if (!made) throw new Error('A subscription was just sold');
  event = made;
});

afterEach(async () => {
  const { app, server } = shop.current;
  await app.inbox.drained();
  expect(await webhookEventsOf(store).countDocuments({})).toBe(0);
  expect(server.calls).toEqual([]);
  expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });
  // The request, and nothing of what it says.
  expect(app.lines.map(({ msg }) => msg)).toEqual(app.lines.map(() => 'request'));
  expect(JSON.stringify(app.lines)).not.toMatch(/evt_|cus_|sub_/);
});

const now = () => Math.floor(Date.now() / 1000);
const signer = new Stripe('sk_test_signer').webhooks;
const signatureOf = (payload: string, timestamp = now()) =>
  signer.generateTestHeaderStringAsync({ payload, secret: STRIPE_WEBHOOK_SECRET, timestamp });

function post(body: BodyInit, signature?: string, init: object = {}): Promise<Response> {
  return shop.current.app.request('/webhooks/stripe', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(signature !== undefined && { 'Stripe-Signature': signature }) },
    body,
    ...init,
  });
}

/** No length is said before. */
function inPieces(text: string): [BodyInit, object] {
  return [new Blob([text]).stream(), { duplex: 'half' }];
}

async function expectInvalidSignature(response: Response): Promise<void> {
  expect(await problemOf(response)).toMatchObject({ status: 400, code: 'invalid_signature' });
}

describe('a delivery that nobody can vouch for', () => {
  it.each<[string, (right: string) => string | undefined]>([
    ['no signature', () => undefined],
    ['an empty one', () => ''],
    ['a word in its place', () => 'nonsense'],
    ['no time', (right) => right.replace(/t=\d+,/, '')],
    ['another time than was signed', (right) => right.replace(/t=\d+/, `t=${now() - 60}`)],
    ['a signature of an older scheme alone', (right) => right.replace('v1=', 'v0=')],
    ['a signature with one digit changed', (right) => right.replace(/.$/, (last) => (last === '0' ? '1' : '0'))],
  ])('is refused with %s', async (_, change) => {
    const payload = JSON.stringify(event);
    await expectInvalidSignature(await post(payload, change(await signatureOf(payload))));
  });

  it('is refused with the signature of another body, be it the same to a reader of JSON', async () => {
    const signature = await signatureOf(JSON.stringify(event));
    await expectInvalidSignature(await post(JSON.stringify({ ...event, id: 'evt_other' }), signature));
    await expectInvalidSignature(await post(JSON.stringify(event, null, 1), signature));
  });

  it('is refused with the signature of another endpoint', async () => {
    const { sender } = shop.current.server;
    await expectInvalidSignature(await sender.deliver(event, { secret: 'whsec_of_another_endpoint' }));
  });

  it('is refused when it is no text', async () => {
    const payload = JSON.stringify(event);
    const bytes = new Uint8Array([0xff, ...new TextEncoder().encode(payload)]);
    await expectInvalidSignature(await post(bytes, await signatureOf(payload)));
  });

  it('is refused when what was signed is no JSON', async () => {
    await expectInvalidSignature(await shop.current.server.sender.send('{"id":'));
  });
});

describe('a delivery that is old', () => {
  it.each([301, 3_600, 86_400])('by %i seconds is refused, whoever has recorded it', async (seconds) => {
    await expectInvalidSignature(await shop.current.server.sender.deliver(event, { signedAt: now() - seconds }));
  });
});

describe('a delivery of more than a MiB', () => {
  const large = () => JSON.stringify({ ...event, padding: 'x'.repeat(1024 * 1024) });

  it.each(['/webhooks/stripe', '/webhooks/clerk'])(
    'to %s is refused before its signature is looked at',
    async (path) => {
      const { app } = shop.current;
      const [body, init] = inPieces(large());
      for (const request of [
        { body: large(), headers: { 'Content-Length': String(large().length) } },
        { body, ...init },
      ]) {
        const response = await app.request(path, { method: 'POST', ...request });
        expect(await problemOf(response)).toMatchObject({ status: 413, code: 'payload_too_large' });
      }
    },
  );

  it('is refused with a right signature too', async () => {
    const [body, init] = inPieces(large());
    expect((await post(body, await signatureOf(large()), init)).status).toBe(413);
    expect((await post(large(), await signatureOf(large()))).status).toBe(413);
  });
});

describe('a genuine event that is not ours', () => {
  it.each<[string, object]>([
    ['of live mode, where the key is one of test mode', { livemode: true }],
    ['of an account that is connected', { account: 'acct_connected' }],
    ['of a kind that changes no subscription', { type: 'product.updated' }],
    ['of a kind that nobody knows yet', { type: 'customer.hologram.projected' }],
    ['of a kind that is no text', { type: 7 }],
    ['about an object of a kind that nobody knows yet', { data: { object: { object: 'hologram', id: 'holo_1' } } }],
    ['about nothing', { data: {} }],
    ['without data', { data: undefined }],
    ['in the thin form of the second version of the API', { object: 'v2.core.event' }],
  ])('%s is answered and left', async (_, difference) => {
    const response = await shop.current.server.sender.send(JSON.stringify({ ...event, ...difference }));
    expect([response.status, await response.json()]).toEqual([200, { received: true }]);
  });

  it('of test mode, where the key is one of live mode, is answered and left', async () => {
    const stripe = {
      secretKey: 'sk_live_shop',
      webhookSecret: STRIPE_WEBHOOK_SECRET,
      apiBase: shop.current.server.url,
    };
    const live = await testApplication(store, { stripe });
    const payload = JSON.stringify(event);
    const headers = { 'Stripe-Signature': await signatureOf(payload) };
    expect((await live.request('/webhooks/stripe', { method: 'POST', headers, body: payload })).status).toBe(200);
    await live.inbox.drained();
  });

  it.each(['null', '[]', '"event"', '1', '{}'])('since it is %s, is answered and left', async (payload) => {
    expect((await shop.current.server.sender.send(payload)).status).toBe(200);
  });
});
