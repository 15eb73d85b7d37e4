import type { Types } from 'mongoose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditOf, webhookEventsOf } from '@/models/collections.ts';
import { STRIPE_WEBHOOK_SECRET } from '../support/application.ts';
import { openShop, type Shop } from '../support/billing.ts';
import { useCluster } from '../support/cluster.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import type { ServerProcess } from '../support/processes.ts';
import type { Event } from '../support/stripe/shapes.ts';

const store = useDatabase();
const cluster = useCluster(store);
/** Seconds by which a successor's clock is ahead, so that the lease of the dead has run out. */
const LATER = { ARTIFEX_CLOCK_OFFSET: '120' };

let shop: Shop;
beforeEach(async () => {
  store.clock.set(new Date());
  shop = await openShop(store);
});
afterEach(() => shop.server.close());

const environment = () => ({
  ARTIFEX_WORKER: 'off',
  STRIPE_SECRET_KEY: 'sk_test_shop',
  STRIPE_WEBHOOK_SECRET,
  STRIPE_API_BASE: shop.server.url,
  STRIPE_PRICE_PLUS: shop.prices.plus.id,
  STRIPE_PRICE_PRO: shop.prices.pro.id,
});

const sendTo = ({ url }: ServerProcess) => shop.server.sender.sendTo(`${url}/webhooks/stripe`, STRIPE_WEBHOOK_SECRET);

/** Somebody who has paid, and the one event that tells of it. */
async function buyer(): Promise<{ userId: Types.ObjectId; event: Event }> {
  const userId = await signUp(store);
  const before = shop.server.sender.undelivered().length;
  shop.sell(shop.customerOf(userId), 'plus');
  const news = shop.server.sender.undelivered().slice(before);
  const event = news.pop();
  if (!event) throw new Error('A subscription was just sold');
  // What else tells of it is lost.
  for (const other of news) other.pending_webhooks = 0;
  return { userId, event };
}

/** A loaded machine takes its time, and the audit trail follows with the sweep. */
const WITHIN = { timeout: 20_000 };

const kept = ({ id }: Event) => webhookEventsOf(store).findOne({ _id: `stripe:${id}` });

/** What following a subscription does to an account, once. */
async function expectAppliedOnce(userId: Types.ObjectId): Promise<void> {
  expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'plus' });
  expect(await store.models.Subscription.find({ userId })).toMatchObject([{ tier: 'plus', status: 'active' }]);
  const changes = () => auditOf(store).countDocuments({ action: 'tier.changed', 'subject.id': userId });
  await expect.poll(changes, WITHIN).toBe(1);
}

describe.each([
  ['bun', 'node'],
  ['node', 'bun'],
] as const)('a webhook that was kept by a process on %s', (runtime, next) => {
  it('which is killed before it has applied it is applied once, by its successor', { timeout: 60_000 }, async () => {
    const victim = await cluster.start(runtime, environment());
    const { userId, event } = await buyer();
    const held = shop.server.hold('GET /v1/subscriptions');
    sendTo(victim);
    expect((await shop.server.sender.deliver(event)).status).toBe(200);
    await held.arrived;
    await victim.kill();
    held.release();
    expect(await kept(event)).toMatchObject({ state: 'open', attempts: 1 });
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });

    const successor = await cluster.start(next, { ...environment(), ...LATER });
    sendTo(successor);
    // Whether the answer of the dead has reached Stripe or not.
    expect((await shop.server.sender.deliver(event)).status).toBe(200);
    await expect.poll(() => kept(event), WITHIN).toMatchObject({ state: 'ended', attempts: 2 });
    expect(await kept(event)).toMatchObject({ outcome: 'applied' });
    await expectAppliedOnce(userId);
    // Of the one that was killed, and two of the other: to learn it, and after it was written.
    expect(shop.server.calls.filter(({ pattern }) => pattern === 'GET /v1/subscriptions')).toHaveLength(3);
    await successor.end();
  });
});

describe('a process that is killed under a burst of webhooks', () => {
  it('leaves none behind that its successor or Stripe does not bring, once each', { timeout: 60_000 }, async () => {
    const victim = await cluster.start('bun', environment());
    const buyers = [];
    for (let index = 0; index < 24; index += 1) buyers.push(await buyer());
    sendTo(victim);
    const deliveries = buyers.map(({ event }) => shop.server.sender.deliver(event).catch(() => null));
    await Promise.race(deliveries);
    await victim.kill();
    await Promise.all(deliveries);

    const successor = await cluster.start('node', { ...environment(), ...LATER });
    sendTo(successor);
    await shop.server.sender.deliverAll();
    const ids = buyers.map(({ event }) => `stripe:${event.id}`);
    const applied = () => webhookEventsOf(store).countDocuments({ _id: { $in: ids }, outcome: 'applied' });
    await expect.poll(applied, WITHIN).toBe(buyers.length);
    for (const { userId } of buyers) await expectAppliedOnce(userId);
    await successor.end();
  });
});
