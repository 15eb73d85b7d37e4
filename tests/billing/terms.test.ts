import type { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { ledgerOf } from '@/models/collections.ts';
import { resetDueQuotas } from '@/repositories/accounts.ts';
import { endGraces } from '@/repositories/syncedSubscriptions.ts';
import { sweep } from '@/workflows/sweep.ts';
import { useShop } from '../support/billing.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import { DAY } from '../support/stripe/calendar.ts';
import { createPrice } from '../support/stripe/catalogue.ts';
import { advanceTo, change, itemOf, payOpenInvoice } from '../support/stripe/lifecycle.ts';
import type { Subscription } from '../support/stripe/shapes.ts';
import { dashboardPrice } from '../support/stripe/subscriptions.ts';

const store = useDatabase();
const shop = useShop(store);

const tierOf = async (userId: Types.ObjectId) => (await readUser(store, userId)).subscriptionTier;
const resetsOf = async (userId: Types.ObjectId) => {
  await sweep(shop.current.app.ctx, 0);
  return ledgerOf(store).countDocuments({ userId, kind: 'reset' });
};

/** Both clocks go on; Stripe does what becomes due, and tells nobody yet. */
function pass(seconds: number): void {
  store.clock.advance(seconds * 1000);
  advanceTo(shop.current.server.world, Math.floor(store.clock.now().getTime() / 1000));
}

async function subscriber(tier: 'plus' | 'pro' = 'plus', options: { trialDays?: number } = {}) {
  const userId = await signUp(store);
  const customer = shop.current.customerOf(userId);
  const subscription = shop.current.sell(customer, tier, options);
  await shop.current.deliver();
  return { userId, customer, subscription };
}

/** Something that a person changes in the dashboard. */
async function edit(subscription: Subscription, work: () => void): Promise<void> {
  change(shop.current.server.world, subscription, work);
  await shop.current.deliver();
}

describe('an unpaid period', () => {
  it('is granted for three days from its start, and then by the clock alone no longer', async () => {
    const { userId, customer, subscription } = await subscriber();
    shop.current.server.world.declined.add(customer);
    pass((subscription.items.data[0]?.current_period_end ?? 0) - shop.current.server.world.now);
    await shop.current.deliver();
    expect(subscription.status).toBe('past_due');
    expect(await tierOf(userId)).toBe('plus');
    store.clock.advance(3 * DAY * 1000 - 1000);
    await sweep(shop.current.app.ctx, 0);
    expect(await tierOf(userId)).toBe('plus');
    store.clock.advance(1000);
    await sweep(shop.current.app.ctx, 0);
    expect(await tierOf(userId)).toBe('free');
  });

  it('ends its grace once: later sweeps find nothing to do', async () => {
    const { customer, subscription } = await subscriber();
    shop.current.server.world.declined.add(customer);
    pass((subscription.items.data[0]?.current_period_end ?? 0) - shop.current.server.world.now);
    await shop.current.deliver();
    store.clock.advance(3 * DAY * 1000);
    expect([await endGraces(store), await endGraces(store)]).toEqual([1, 0]);
    expect(await sweep(shop.current.app.ctx, 0)).toMatchObject({ subscriptionsFollowed: 1 });
    expect(await sweep(shop.current.app.ctx, 0)).toMatchObject({ subscriptionsFollowed: 0 });
  });

  it('comes back when it is paid, and resets the quota no second time', async () => {
    const { userId, customer, subscription } = await subscriber();
    const { world } = shop.current.server;
    world.declined.add(customer);
    pass(31 * DAY);
    await shop.current.deliver();
    const resets = await resetsOf(userId);
    store.clock.advance(4 * DAY * 1000);
    await sweep(shop.current.app.ctx, 0);
    expect(await tierOf(userId)).toBe('free');
    world.declined.clear();
    payOpenInvoice(world, subscription);
    await shop.current.deliver();
    expect(await tierOf(userId)).toBe('plus');
    expect(await resetsOf(userId)).toBe(resets);
  });
});

describe('a paid period', () => {
  it.each(['its news', 'the clock'])('resets the quota once when %s comes first', async (first) => {
    const { userId } = await subscriber();
    const before = await resetsOf(userId);
    pass(31 * DAY);
    if (first === 'the clock') await resetDueQuotas(store);
    await shop.current.deliver();
    await resetDueQuotas(store);
    expect(await resetsOf(userId)).toBe(before + 1);
  });
});

describe('a renewal', () => {
  it('that changes nothing but the period is stored, and moves the reset date', async () => {
    const { userId, subscription } = await subscriber();
    pass(31 * DAY);
    await shop.current.deliver();
    const [item] = subscription.items.data;
    const currentPeriodEnd = new Date((item?.current_period_end ?? 0) * 1000);
    expect(await store.models.Subscription.findByUserId(userId)).toMatchObject({ currentPeriodEnd });
    expect(await readUser(store, userId)).toMatchObject({ quotaResetDate: currentPeriodEnd });
  });
});

describe('what grants nothing', () => {
  it.each(['incomplete', 'incomplete_expired', 'unpaid', 'paused', 'canceled', 'on_hold'])('is %s', async (status) => {
    const { userId, subscription } = await subscriber();
    await edit(subscription, () => {
      subscription.status = status;
    });
    expect(await tierOf(userId)).toBe('free');
  });

  it('is a first payment that fails', async () => {
    const userId = await signUp(store);
    const customer = shop.current.customerOf(userId);
    shop.current.server.world.declined.add(customer);
    shop.current.sell(customer, 'pro');
    await shop.current.deliver();
    expect(await tierOf(userId)).toBe('free');
  });

  it('is a trial that ends without a payment, once its grace is over', async () => {
    const { userId, customer } = await subscriber('plus', { trialDays: 7 });
    expect(await tierOf(userId)).toBe('plus');
    shop.current.server.world.declined.add(customer);
    pass(7 * DAY);
    await shop.current.deliver();
    store.clock.advance(3 * DAY * 1000);
    await sweep(shop.current.app.ctx, 0);
    expect(await tierOf(userId)).toBe('free');
  });

  it.each(['several items', 'several units', 'an unknown price'])('is %s, and the operator is told', async (what) => {
    const { userId, subscription } = await subscriber();
    const { world } = shop.current.server;
    const { app } = shop.current;
    const [item] = subscription.items.data;
    if (!item) throw new Error('A subscription has an item');
    if (what === 'an unknown price')
      dashboardPrice(world, subscription, createPrice(world, { product: 'prod_artifex', unit_amount: '1' }));
    await edit(subscription, () => {
      if (what === 'several units') item.quantity = 2;
      if (what === 'several items')
        subscription.items.data.push(
          itemOf(world, subscription.id, item.price, 1, item.current_period_start, item.current_period_end),
        );
    });
    expect(await tierOf(userId)).toBe('free');
    expect(app.lines.filter(({ level }) => level === 'error')).not.toEqual([]);
  });
});

describe('two live subscriptions of one customer', () => {
  it('grant the one of more worth, and the other one again when that has ended', async () => {
    const { userId, customer, subscription } = await subscriber('plus');
    const { world } = shop.current.server;
    const second = shop.current.sell(customer, 'pro');
    await shop.current.deliver();
    expect(await tierOf(userId)).toBe('pro');
    expect(await store.models.Subscription.findByUserId(userId)).toMatchObject({ stripeSubscriptionId: second.id });
    await edit(second, () => {
      second.status = 'canceled';
      second.ended_at = world.now;
    });
    expect(await tierOf(userId)).toBe('plus');
    const live = await store.models.Subscription.findByUserId(userId);
    expect(live).toMatchObject({ stripeSubscriptionId: subscription.id, status: 'active' });
  });

  it('grant a trial of the higher tier beside a paid one of the lower', async () => {
    const { userId, customer } = await subscriber('pro', { trialDays: 14 });
    shop.current.sell(customer, 'plus');
    await shop.current.deliver();
    expect(await tierOf(userId)).toBe('pro');
  });

  it('are told apart by when they were sold, whichever was renewed last', async () => {
    const { userId, customer, subscription } = await subscriber('plus');
    pass(14 * DAY);
    shop.current.sell(customer, 'plus');
    await shop.current.deliver();
    pass(20 * DAY);
    await shop.current.deliver();
    expect(await store.models.Subscription.findByUserId(userId)).toMatchObject({
      stripeSubscriptionId: subscription.id,
    });
  });
});
