import type { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { webhookEventsOf } from '@/models/collections.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { useShop } from '../support/billing.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import { advanceTo, change, end, setPrice } from '../support/stripe/lifecycle.ts';

const store = useDatabase();
const shop = useShop(store);

/** Both clocks go on; Stripe does what becomes due, and tells of it. */
async function pass(seconds: number): Promise<void> {
  store.clock.advance(seconds * 1000);
  advanceTo(shop.current.server.world, Math.floor(store.clock.now().getTime() / 1000));
  await shop.current.server.sender.deliverAll();
}

/** What every process does from time to time. */
async function look(): Promise<void> {
  await shop.current.app.inbox.drained();
  await shop.current.app.inbox.work();
  await sweep(shop.current.app.ctx, 0);
}

async function buyer(tier: 'plus' | 'pro') {
  const userId = await signUp(store);
  return { userId, subscription: shop.current.sell(shop.current.customerOf(userId), tier) };
}

const tiersOf = async (userIds: readonly Types.ObjectId[]) =>
  Promise.all(userIds.map(async (userId) => (await readUser(store, userId)).subscriptionTier));

const unended = () => webhookEventsOf(store).countDocuments({ state: { $ne: 'ended' } });

/** How often the inbox is looked at, in seconds. */
const LOOK_EVERY = 2;

describe.each([
  // Long enough for events to be tried so often that they count as stuck.
  ['answers 503', 'unavailable', { rounds: 15, seconds: 30 }],
  ['refuses connections', 'cut', { rounds: 3, seconds: 60 }],
] as const)('while Stripe %s for minutes', (_, how, { rounds, seconds }) => {
  it('news is kept, nobody loses what they have paid for, and all is applied within a minute of its return', async () => {
    const { server, prices } = shop.current;
    const { world } = server;
    const renewing = await buyer('plus');
    const upgrading = await buyer('plus');
    const ending = await buyer('pro');
    await shop.current.deliver();
    const periodEnd = renewing.subscription.items.data[0]?.current_period_end ?? 0;
    // The period of all three ends within the outage.
    await pass(periodEnd - world.now - 45);
    await look();

    const light = server.goDark(how);
    const calls = server.calls.length;
    const coming = await buyer('plus');
    change(world, upgrading.subscription, () => setPrice(upgrading.subscription, prices.pro));
    end(world, ending.subscription, 'canceled');
    const everybody = [renewing, upgrading, ending, coming].map(({ userId }) => userId);
    for (let round = 0; round < rounds; round += 1) {
      await pass(seconds);
      await look();
      expect(server.sender.undelivered()).toEqual([]);
      expect(await tiersOf(everybody)).toEqual(['plus', 'plus', 'pro', 'free']);
    }
    expect(world.now).toBeGreaterThan(periodEnd);
    expect(server.calls.length).toBe(calls);
    expect(await unended()).toBeGreaterThanOrEqual(4);

    light();
    let waited = 0;
    while ((await unended()) > 0 && waited < 60) {
      waited += LOOK_EVERY;
      await pass(LOOK_EVERY);
      await look();
    }
    expect(await unended()).toBe(0);
    expect(await tiersOf(everybody)).toEqual(['plus', 'pro', 'free', 'plus']);
    const currentPeriodStart = new Date(periodEnd * 1000);
    expect(await store.models.Subscription.findByUserId(renewing.userId)).toMatchObject({ currentPeriodStart });
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  }, 60_000);
});
