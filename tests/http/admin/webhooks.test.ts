import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { WEBHOOK_SOURCES } from '@/domain/inbox.ts';
import { fieldsFor } from '@/domain/permissions.ts';
import { auditOf, webhookEventsOf } from '@/models/collections.ts';
import type { WebhookEvent } from '@/models/WebhookEvent.ts';
import { awaitUsers, endEvent, keepEvent, postponeEvent } from '@/repositories/inbox.ts';
import { problemOf } from '../../support/api.ts';
import type { Caller } from '../../support/application.ts';
import { useShop } from '../../support/billing.ts';
import { readUser, signUp, useDatabase } from '../../support/database.ts';
import { parseExposition, sumOf } from '../../support/exposition.ts';

const store = useDatabase();
const shop = useShop(store);
let admin: Caller;

const event = z.looseObject({ id: z.string(), state: z.string(), attempts: z.int(), failure: z.string().nullable() });
const page = z.object({ data: z.array(event), nextCursor: z.string().nullable() });

beforeEach(async () => {
  await webhookEventsOf(store).deleteMany({});
  admin = await shop.current.app.person({ metadata: { role: 'admin' } });
});

async function list(search = ''): Promise<z.output<typeof page>> {
  const response = await admin.get(`/v1/admin/webhooks${search}`);
  expect(response.status).toBe(200);
  return page.parse(await response.json());
}

const idsOf = ({ data }: z.output<typeof page>) => data.map(({ id }) => id);

async function keep(id: string, source: (typeof WEBHOOK_SOURCES)[number] = 'stripe') {
  const subject = 'cus_secret';
  const facts = { names: ['user_secret'] };
  const kept = await keepEvent(
    store,
    { source, id, type: 'invoice.paid', occurredAt: new Date(0), subject, facts },
    true,
  );
  if (!kept) throw new Error(`${id} was kept before`);
  store.clock.advance(1_000);
  return kept;
}

/** One event of each state and source. */
async function oneOfEach(): Promise<void> {
  for (const source of WEBHOOK_SOURCES) {
    await postponeEvent(store, await keep('open', source), { delayMs: 1_000, failure: 'unavailable: away' });
    const stuck = await keep('stuck', source);
    await postponeEvent(store, { ...stuck, attempts: 12 }, { delayMs: 600_000, failure: 'TypeError' });
    await awaitUsers(store, await keep('waiting', source), ['user_secret']);
    await endEvent(store, await keep('ended', source), 'applied');
  }
}

describe('GET /v1/admin/webhooks', () => {
  it('shows each event once, newest first, while others come in', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) await keep(id);
    const first = await list('?limit=2');
    await keep('f');
    const second = await list(`?limit=2&cursor=${first.nextCursor}`);
    const third = await list(`?limit=2&cursor=${second.nextCursor}`);
    expect([first, second, third].flatMap(idsOf)).toEqual(['e', 'd', 'c', 'b', 'a'].map((id) => `stripe:${id}`));
    expect(third.nextCursor).toBeNull();
  });

  it('finds by state, by source and by both', async () => {
    await oneOfEach();
    expect(idsOf(await list())).toHaveLength(8);
    expect(idsOf(await list('?source=clerk'))).toEqual(
      ['ended', 'waiting', 'stuck', 'open'].map((id) => `clerk:${id}`),
    );
    for (const state of ['open', 'stuck', 'waiting', 'ended']) {
      expect(idsOf(await list(`?state=${state}`))).toEqual([`clerk:${state}`, `stripe:${state}`]);
      expect(idsOf(await list(`?state=${state}&source=stripe`))).toEqual([`stripe:${state}`]);
    }
  });

  it('tells what has become of an event, and nothing of what it says', async () => {
    const receivedAt = store.clock.now().toISOString();
    const kept = await keep('evt_1');
    await postponeEvent(store, kept, { delayMs: 2_000, failure: 'unavailable: Stripe is out of reach.' });
    const response = await admin.get('/v1/admin/webhooks');
    const text = await response.text();
    expect(JSON.parse(text).data).toEqual([
      {
        id: 'stripe:evt_1',
        source: 'stripe',
        type: 'invoice.paid',
        state: 'open',
        attempts: 1,
        failure: 'unavailable: Stripe is out of reach.',
        outcome: null,
        receivedAt,
        occurredAt: new Date(0).toISOString(),
        dueAt: new Date(store.clock.now().getTime() + 2_000).toISOString(),
        endedAt: null,
      },
    ]);
    expect(Object.keys(JSON.parse(text).data[0]).toSorted()).toEqual(
      fieldsFor('WebhookEvent', 'read', 'admin').toSorted(),
    );
    expect(text).not.toMatch(/secret/);
    expect(text).not.toContain(kept.lease);
  });

  it.each(['state=done', 'source=paypal', 'cursor=x', 'cursor=W10', 'state=open&state=ended'])(
    'refuses ?%s',
    async (search) => {
      const response = await admin.get(`/v1/admin/webhooks?${search}`);
      expect(await problemOf(response)).toMatchObject({ status: 400, code: 'validation_failed' });
    },
  );
});

describe('POST /v1/admin/webhooks/{id}/replay', () => {
  const replay = (id: string) => admin.post(`/v1/admin/webhooks/${id}/replay`);
  const storedAs = async (_id: string): Promise<WebhookEvent | null> => webhookEventsOf(store).findOne({ _id });

  it.each(['open', 'stuck', 'waiting', 'ended'])('has an event that is %s applied again at once', async (state) => {
    await oneOfEach();
    const { app } = shop.current;
    const response = await replay(`stripe:${state}`);
    expect(response.status).toBe(200);
    const now = store.clock.now().toISOString();
    const due = { state: 'open', attempts: 0, failure: null, outcome: null, endedAt: null, dueAt: now };
    expect(await response.json()).toMatchObject({ id: `stripe:${state}`, ...due });
    await app.inbox.drained();
    const after = await storedAs(`stripe:${state}`);
    expect(after).toMatchObject({ state: 'ended', outcome: 'ignored', attempts: 1 });
    for (const field of ['failure', 'lease', 'awaits', 'dueAt']) expect(after).not.toHaveProperty(field);
  });

  it('brings what a failure has held back, without waiting for its turn', async () => {
    const userId = await signUp(store);
    const { app, server } = shop.current;
    shop.current.sell(shop.current.customerOf(userId), 'plus');
    const light = server.goDark();
    await shop.current.deliver();
    light();
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });
    const [held] = (await list('?state=open')).data;
    expect(held).toMatchObject({ failure: expect.stringContaining('unavailable') });
    expect((await replay(encodeURIComponent(held?.id ?? ''))).status).toBe(200);
    await app.inbox.drained();
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'plus' });
  });

  it('changes nothing when the event was applied before, and takes the lease from an attempt under way', async () => {
    const userId = await signUp(store);
    const { app, server } = shop.current;
    shop.current.sell(shop.current.customerOf(userId), 'plus');
    const [made] = server.sender.undelivered().filter(({ type }) => type === 'customer.subscription.created');
    await shop.current.deliver();
    const before = [await readUser(store, userId), await store.models.Subscription.findByUserId(userId)];
    await Promise.all([1, 2, 3].map(() => replay(`stripe:${made?.id}`)));
    await app.inbox.drained();
    expect(await storedAs(`stripe:${made?.id}`)).toMatchObject({ state: 'ended', outcome: 'applied' });
    expect(JSON.stringify([await readUser(store, userId), await store.models.Subscription.findByUserId(userId)])).toBe(
      JSON.stringify(before),
    );
    const kept = await keep('under_way');
    await replay('stripe:under_way');
    await app.inbox.drained();
    expect(await endEvent(store, kept, 'applied')).toBe(false);
  });

  it('leaves one line in the audit trail, that names the event', async () => {
    await keep('evt_audited');
    await replay('stripe%3Aevt_audited');
    const lines = await auditOf(store).find({ 'detail.event': 'stripe:evt_audited' }).toArray();
    expect(lines).toMatchObject([
      { action: 'webhook.replayed', actor: { kind: 'admin', id: admin.clerkUserId }, at: store.clock.now() },
    ]);
    expect(lines[0]).not.toHaveProperty('subject');
  });

  it.each([
    'stripe:evt_nobody',
    'paypal:evt_1',
    'stripe:',
    'evt_1',
    'stripe:a%20b',
    'stripe%3A%00',
    'stripe:a%2Fb',
    '%zz',
  ])('does not find %s, and leaves no line', async (id) => {
    const before = await auditOf(store).countDocuments({});
    expect(await problemOf(await replay(id))).toMatchObject({ status: 404, code: 'not_found' });
    expect(await auditOf(store).countDocuments({})).toBe(before);
  });
});

describe('/metrics', () => {
  it('tells how many events of each source are in each state, and since when', async () => {
    await oneOfEach();
    const { app } = shop.current;
    const scrape = async () => parseExposition(await (await app.request('/metrics')).text());
    // A scrape does not wait long for the database.
    await expect.poll(async () => sumOf(await scrape(), 'artifex_inbox_depth')).toBe(6);
    const samples = await scrape();
    for (const source of WEBHOOK_SOURCES) {
      for (const state of ['open', 'stuck', 'waiting']) {
        expect(sumOf(samples, 'artifex_inbox_depth', { source, state })).toBe(1);
      }
    }
    expect(sumOf(samples, 'artifex_inbox_age_seconds', { source: 'stripe', state: 'open' })).toBe(8);
    expect(sumOf(samples, 'artifex_inbox_age_seconds', { source: 'clerk', state: 'waiting' })).toBe(2);
    expect(JSON.stringify(samples.filter(({ name }) => name.startsWith('artifex_inbox')))).not.toContain('ended');
  });
});
