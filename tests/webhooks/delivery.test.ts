import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { webhookBody } from '@/app.ts';
import { DELIVERY_TYPES, RETRY_DELAYS_MS, WEBHOOK_EVENTS, WEBHOOK_LIMITS } from '@/domain/webhooks.ts';
import { attempt } from '@/jobs/delivering.ts';
import { createPost } from '@/outbound/post.ts';
import { claimDelivery, listDeliveries, ping } from '@/repositories/webhookDeliveries.ts';
import { createEndpoint, getEndpoint, rotateSecret } from '@/repositories/webhookEndpoints.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel } from '@/workflows/endGeneration.ts';
import { publishEvents } from '@/workflows/publishEvents.ts';
import { testApplication } from '../support/application.ts';
import { contextOf } from '../support/context.ts';
import { signUp, useDatabase } from '../support/database.ts';
import { readDescription } from '../support/openapi.ts';

const store = useDatabase();
const ctx = contextOf(store);

let status = 200;
let headers: Record<string, string> = {};
const received: { headers: IncomingHttpHeaders; body: string }[] = [];
const receiver = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  received.push({ headers: request.headers, body });
  response.writeHead(status, headers).end('thanks');
});
let url: string;

beforeAll(async () => {
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  url = `http://127.0.0.1:${portOf(receiver.address())}/hook`;
});
afterAll(() => receiver.close());

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('It listens on a port');
  return address.port;
}

const observer = { attempted() {}, ended() {}, endpointDisabled() {} };
const deps = (names: Record<string, string[]> = {}, allowLoopback = true) => ({
  store,
  observer,
  bodyOf: webhookBody,
  random: () => 0.5,
  post: createPost({ resolve: async (name) => names[name] ?? [], allowLoopback, timeoutMs: 2000 }),
});

async function someone(address = url) {
  const userId = await signUp(store);
  const wanted = { url: address, events: [...WEBHOOK_EVENTS], enabled: true };
  const { endpoint, secret } = await createEndpoint(store, userId, wanted, {
    actor: { kind: 'library' },
    origin: 'https://api.example.com',
  });
  return { userId, endpoint, secret };
}

async function cancelled(userId: Awaited<ReturnType<typeof signUp>>) {
  const request = { type: 'text-to-image', prompt: 'A lake' } as const;
  const { generation } = await createGeneration(ctx, { _id: userId }, request);
  await cancel(ctx, userId, generation._id);
  await publishEvents(store, store.clock.now());
  return generation._id.toHexString();
}

async function deliver(using = deps()) {
  const claimed = await claimDelivery(store, []);
  if (!claimed) throw new Error('A delivery is due');
  await attempt(using, claimed, new AbortController().signal);
  const [delivery] = await listDeliveries(store, claimed.endpointId, { limit: 1 });
  if (!delivery) throw new Error('There is a delivery');
  return delivery;
}

describe('an event', () => {
  it('is delivered once, as the API shows the generation, with signatures of the present and of the last secret', async () => {
    [status, headers] = [200, {}];
    const { userId, endpoint, secret } = await someone();
    const next = await rotateSecret(store, userId, endpoint._id, { kind: 'library' });
    const id = await cancelled(userId);
    await publishEvents(store, store.clock.now());
    expect(await deliver()).toMatchObject({ status: 'succeeded', attempts: 1, lastStatus: 200 });
    expect(await claimDelivery(store, [])).toBeNull();
    const sent = received.at(-1);
    if (!sent) throw new Error('It was sent');
    const signed = Object.fromEntries(Object.entries(sent.headers).map(([name, value]) => [name, String(value)]));
    for (const key of [secret, next.secret]) {
      expect(new Webhook(key).verify(sent.body, signed)).toMatchObject({
        type: 'generation.cancelled',
        data: { id, status: 'cancelled', prompt: 'A lake' },
      });
    }
    expect(() => new Webhook(secret).verify(`${sent.body} `, signed)).toThrow();
  });

  it('is what the description of the API says: its body, and the header fields that every one has', async () => {
    [status, headers] = [200, {}];
    const described = await readDescription(await (await testApplication(store)).request('/openapi.json'));
    expect([...described.webhooks.keys()]).toEqual([...DELIVERY_TYPES]);
    const { userId, endpoint } = await someone();
    await cancelled(userId);
    await deliver();
    await ping(store, userId, endpoint._id);
    await deliver();
    const sent = received.slice(-2);
    expect(sent.map(({ body }) => JSON.parse(body).type)).toEqual(['generation.cancelled', 'webhook.ping']);
    for (const each of sent) {
      const body = JSON.parse(each.body);
      const event = described.webhooks.get(body.type);
      const others = [...described.webhooks.keys()].filter((type) => type !== body.type);
      expect(described.accepts(event?.body ?? {}, body)).toBe(true);
      expect(others.filter((type) => described.accepts(described.webhooks.get(type)?.body ?? {}, body))).toEqual([]);
      expect(
        Object.keys(each.headers)
          .filter((name) => name.startsWith('webhook-'))
          .sort(),
      ).toEqual(event?.headers.toSorted());
    }
  });

  it('is tried again over a day, with one id, and five that fail for good disable the endpoint', async () => {
    [status, headers] = [500, {}];
    const { userId, endpoint } = await someone();
    for (let round = 0; round < WEBHOOK_LIMITS.failuresBeforeDisabled; round += 1) {
      const before = received.length;
      await cancelled(userId);
      for (const delay of RETRY_DELAYS_MS) {
        const { nextAttemptAt } = await deliver();
        expect(nextAttemptAt).toEqual(new Date(store.clock.now().getTime() + delay));
        store.clock.advance(delay);
      }
      expect(await deliver()).toMatchObject({ status: 'failed', lastStatus: 500, lastError: 'status' });
      expect(new Set(received.slice(before).map((each) => each.headers['webhook-id'])).size).toBe(1);
    }
    expect(await getEndpoint(store, userId, endpoint._id)).toMatchObject({ enabled: false, disabledReason: 'failing' });
  });

  it('that is answered 410 is the last one', async () => {
    [status, headers] = [410, {}];
    const { userId, endpoint } = await someone();
    await cancelled(userId);
    expect(await deliver()).toMatchObject({ status: 'failed', lastError: 'gone' });
    expect(await getEndpoint(store, userId, endpoint._id)).toMatchObject({ enabled: false, disabledReason: 'gone' });
  });

  it('follows no redirect', async () => {
    [status, headers] = [302, { location: url }];
    const { userId } = await someone();
    await cancelled(userId);
    const before = received.length;
    expect(await deliver()).toMatchObject({ status: 'pending', lastStatus: 302, lastError: 'redirected' });
    expect(received.length).toBe(before + 1);
    store.clock.advance(60_000);
    [status, headers] = [200, {}];
    await deliver();
  });

  it.each([
    '10.1.2.3',
    '127.0.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '::1',
    '::ffff:10.0.0.1',
    'fd00::1',
    '64:ff9b::a00:1',
  ])('never goes to a name that is of %s', async (address) => {
    [status, headers] = [200, {}];
    const { userId } = await someone('https://hooks.example.com/hook');
    await cancelled(userId);
    const before = received.length;
    const blocked = deps({ 'hooks.example.com': ['93.184.216.34', address] }, false);
    expect(await deliver(blocked)).toMatchObject({ status: 'pending', lastError: 'address_not_allowed' });
    expect(received.length).toBe(before);
    await store.models.WebhookDelivery.deleteMany({});
  });
});
