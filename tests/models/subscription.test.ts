import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { sweep } from '@/workflows/sweep.ts';
import { contextOf } from '../support/context.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const { User, Subscription, AuditEntry } = store.models;
const ctx = contextOf(store);

const DAY = 24 * 60 * 60 * 1000;
const daysOn = (days: number) => new Date(store.clock.now().getTime() + days * DAY);

async function user(tier: 'free' | 'plus' | 'pro' = 'free') {
  const found = await User.findById(await signUp(store, tier));
  if (!found) throw new Error('The user was just made');
  return found;
}

describe('a subscription', () => {
  const subscribe = async (fields: object = {}) => {
    const one = await user();
    const subscription = await Subscription.create({
      userId: one._id,
      tier: 'plus',
      status: 'active',
      currentPeriodStart: store.clock.now(),
      currentPeriodEnd: daysOn(30),
      ...fields,
    });
    return { one, subscription };
  };

  it.each([
    ['active', {}, true],
    ['trialing', {}, true],
    ['past_due', {}, true],
    ['canceled', {}, false],
    ['unpaid', {}, false],
    ['paused', {}, false],
    ['incomplete', {}, false],
    ['incomplete_expired', {}, false],
  ])('that is %s grants its tier or not', (status, fields, granted) => {
    const subscription = new Subscription({
      status,
      tier: 'plus',
      currentPeriodStart: store.clock.now(),
      currentPeriodEnd: daysOn(30),
      ...fields,
    });
    expect(subscription.isActive()).toBe(granted);
  });

  it('that is past due grants its tier for three days of the unpaid period, to the millisecond', () => {
    const since = (milliseconds: number) =>
      new Subscription({
        status: 'past_due',
        tier: 'plus',
        currentPeriodStart: new Date(store.clock.now().getTime() - milliseconds),
        currentPeriodEnd: daysOn(27),
      }).isActive();
    expect([since(3 * DAY - 1), since(3 * DAY)]).toEqual([true, false]);
  });

  it('tells of its trial, its end and the days until it renews', () => {
    const trial = new Subscription({
      status: 'trialing',
      tier: 'plus',
      trialEnd: daysOn(7),
      currentPeriodEnd: daysOn(6.5),
    });
    expect([trial.isInTrial(), trial.hasExpired(), trial.getDaysUntilRenewal()]).toEqual([true, false, 7]);
    const over = new Subscription({ status: 'active', tier: 'plus', currentPeriodEnd: daysOn(0) });
    expect([over.isInTrial(), over.hasExpired(), over.getDaysUntilRenewal()]).toEqual([false, true, 0]);
  });

  it('is upgraded at once, with its user', async () => {
    const { one, subscription } = await subscribe();
    expect([subscription.canUpgrade('pro'), subscription.canUpgrade('plus'), subscription.canUpgrade('free')]).toEqual([
      true,
      false,
      false,
    ]);
    await subscription.upgrade('pro');
    expect(subscription.tier).toBe('pro');
    expect(await readUser(store, one._id)).toMatchObject({ subscriptionTier: 'pro' });
    await expect(subscription.upgrade('plus')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is downgraded when its period ends, and until then says to what', async () => {
    const { one, subscription } = await subscribe({ tier: 'pro' });
    await one.updateSubscription('pro');
    await subscription.downgrade('plus');
    expect(subscription).toMatchObject({ tier: 'pro', pendingTier: 'plus' });
    expect(await readUser(store, one._id)).toMatchObject({ subscriptionTier: 'pro' });
    await expect(subscription.downgrade('pro')).rejects.toMatchObject({ code: 'conflict' });
    await subscription.downgrade('free');
    expect(subscription).toMatchObject({ pendingTier: 'free', cancelAtPeriodEnd: true });
  });

  it('that has ended can neither rise nor sink', async () => {
    const { subscription } = await subscribe({ status: 'canceled' });
    await expect(subscription.upgrade('pro')).rejects.toMatchObject({ code: 'conflict' });
    await expect(subscription.downgrade('free')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('that has not ended counts, also where news of a later one that has ended came first', async () => {
    const one = await user();
    const told = { userId: one.id, tier: 'plus' as const, currentPeriodEnd: daysOn(20) };
    store.clock.advance(DAY);
    await Subscription.createFromStripe({ ...told, customerId: 'cus_b', subscriptionId: 'sub_b', status: 'canceled' });
    store.clock.advance(-DAY);
    await Subscription.createFromStripe({ ...told, customerId: 'cus_a', subscriptionId: 'sub_a', status: 'active' });
    expect(await readUser(store, one._id)).toMatchObject({ subscriptionTier: 'plus' });
  });

  it('that is deleted grants nothing any more, until it is restored', async () => {
    const { one, subscription } = await subscribe();
    await one.updateSubscription('plus');
    await subscription.softDelete();
    expect(await readUser(store, one._id)).toMatchObject({ subscriptionTier: 'free' });
    await subscription.restore();
    expect(await readUser(store, one._id)).toMatchObject({ subscriptionTier: 'plus' });
    await sweep(ctx, 0);
    const trail = await AuditEntry.find({ 'subject.id': subscription._id }).sort({ _id: 1 }).lean();
    expect(trail.map(({ action }) => action)).toEqual(['subscription.deleted', 'subscription.restored']);
    expect(await Subscription.findById(subscription._id).lean()).not.toHaveProperty('openActs');
  });

  it('is found by user, tier and Stripe id, and among the expired', async () => {
    const { one, subscription } = await subscribe({ stripeSubscriptionId: 'sub_find', currentPeriodEnd: daysOn(-1) });
    await Subscription.create({ userId: one._id, tier: 'pro', status: 'canceled', currentPeriodEnd: daysOn(-40) });
    expect((await Subscription.findByUserId(one._id))?._id).toEqual(subscription._id);
    expect((await Subscription.findByUserId(String(one._id)))?._id).toEqual(subscription._id);
    expect((await Subscription.findByStripeId('sub_find'))?._id).toEqual(subscription._id);
    expect((await Subscription.findByTier('plus')).map(({ id }) => id)).toContain(subscription.id);
    expect((await Subscription.findExpiredSubscriptions()).map(({ id }) => id)).toContain(subscription.id);
    expect((await one.getSubscriptionDetails())?._id).toEqual(subscription._id);
    const populated = await User.findById(one._id).populate<{ subscription: { tier: string } }>('subscription');
    expect(populated?.subscription.tier).toBe('plus');
  });
});

describe('a paid period', () => {
  it('resets the quota when it begins, and moves the reset date to its end', async () => {
    const one = await user();
    await one.incrementUsage(8);
    const end = daysOn(30);
    await Subscription.createFromStripe({
      userId: one.id,
      customerId: 'cus_period',
      subscriptionId: 'sub_period',
      status: 'active',
      tier: 'plus',
      currentPeriodStart: daysOn(0.001),
      currentPeriodEnd: end,
    });
    expect(await readUser(store, one._id)).toMatchObject({
      subscriptionTier: 'plus',
      monthlyUsage: 0,
      quotaResetDate: end,
    });
  });

  it.each(['the clock', 'the news'])('resets once when %s comes first', async (first) => {
    const one = await user();
    const id = `sub_${first}`;
    const tell = (start: Date, end: Date) =>
      Subscription.createFromStripe({
        userId: one.id,
        customerId: `cus_${first}`,
        subscriptionId: id,
        status: 'active',
        tier: 'plus',
        currentPeriodStart: start,
        currentPeriodEnd: end,
      });
    store.clock.advance(1000);
    const [start, middle, end] = [store.clock.now(), daysOn(14), daysOn(45)];
    await tell(start, middle);
    const charge = async () => (await User.findById(one._id))?.incrementUsage(5);
    await charge();
    store.clock.set(middle);
    if (first === 'the clock') {
      await charge();
      await tell(middle, end);
    } else {
      await tell(middle, end);
      await charge();
    }
    await tell(middle, end);
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 5, periodNumber: 3, quotaResetDate: end });
  });

  it('that has been left behind moves nothing', async () => {
    const one = await user();
    store.clock.advance(1000);
    const [start, end] = [store.clock.now(), daysOn(30)];
    const old = {
      userId: one.id,
      customerId: 'cus_late',
      subscriptionId: 'sub_late',
      status: 'active' as const,
      tier: 'plus' as const,
      currentPeriodStart: start,
      currentPeriodEnd: end,
    };
    await Subscription.createFromStripe(old);
    store.clock.set(new Date(end.getTime() + DAY));
    await (await User.findById(one._id))?.incrementUsage(5);
    await Subscription.createFromStripe(old);
    await (await User.findById(one._id))?.incrementUsage(5);
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 10, periodNumber: 3 });
  });

  it('that ends for good lets months count from sign-up again, without fresh credits', async () => {
    const one = await user();
    store.clock.advance(1000);
    const paid = {
      userId: one.id,
      customerId: 'cus_end',
      subscriptionId: 'sub_end',
      tier: 'plus' as const,
      currentPeriodStart: store.clock.now(),
      currentPeriodEnd: daysOn(45),
    };
    await Subscription.createFromStripe({ ...paid, status: 'active' });
    await (await User.findById(one._id))?.incrementUsage(50);
    await Subscription.createFromStripe({ ...paid, status: 'canceled' });
    const stored = await readUser(store, one._id);
    expect(stored).toMatchObject({ subscriptionTier: 'free', monthlyUsage: 50, quotaResetDate: one.quotaResetDate });
    expect((await User.findById(one._id))?.getRemainingQuota()).toBe(0);
  });
});

describe('SubscriptionModel.createFromStripe', () => {
  const stripeObject = (userId: string, fields: object = {}) => ({
    object: 'subscription' as const,
    id: `sub_${userId}`,
    customer: `cus_${userId}`,
    status: 'active',
    items: {
      data: [
        {
          current_period_start: 1_773_130_000,
          current_period_end: 1_775_808_400,
          price: { id: 'price_1', lookup_key: 'pro', metadata: {} },
        },
      ],
    },
    trial_start: null,
    trial_end: null,
    cancel_at_period_end: true,
    metadata: { userId },
    ...fields,
  });

  it("takes Stripe's object, whose periods stand on the items", async () => {
    const one = await user();
    const subscription = await Subscription.createFromStripe(stripeObject(one.id));
    expect(subscription).toMatchObject({
      userId: one._id,
      tier: 'pro',
      status: 'active',
      stripeSubscriptionId: `sub_${one.id}`,
      currentPeriodEnd: new Date(1_775_808_400_000),
      cancelAtPeriodEnd: true,
    });
    expect(await readUser(store, one._id)).toMatchObject({ subscriptionTier: 'pro' });
  });

  it('stores a subscription once, however often it is told', async () => {
    const one = await user();
    await Promise.all(
      Array.from({ length: 5 }, () => Subscription.createFromStripe(stripeObject(one.id)).catch(String)),
    );
    await Subscription.createFromStripe(stripeObject(one.id, { status: 'past_due' }));
    expect(await Subscription.find({ userId: one._id }).lean()).toMatchObject([{ status: 'past_due' }]);
  });

  it('takes the flat form, and finds the user by a customer who is known', async () => {
    const one = await user();
    await Subscription.create({
      userId: one._id,
      tier: 'plus',
      status: 'canceled',
      stripeCustomerId: 'cus_123',
      currentPeriodEnd: daysOn(-5),
    });
    const subscription = await Subscription.createFromStripe({
      customerId: 'cus_123',
      subscriptionId: 'sub_123',
      status: 'active',
      currentPeriodEnd: daysOn(20),
    });
    expect(subscription).toMatchObject({ userId: one._id, tier: 'plus' });
    expect(subscription.isActive()).toBe(true);
  });

  it('refuses an unknown price with the way out, and grants nothing', async () => {
    const one = await user();
    const unknown = stripeObject(one.id);
    unknown.items.data = unknown.items.data.map((item) => ({ ...item, price: { ...item.price, lookup_key: 'gold' } }));
    await expect(Subscription.createFromStripe(unknown)).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'items.data.0.price' }],
    });
    expect(await Subscription.findByUserId(one._id)).toBeNull();
  });

  it('refuses a second one beside one that has not ended', async () => {
    const one = await user();
    await Subscription.createFromStripe(stripeObject(one.id));
    const second = stripeObject(one.id, { id: 'sub_second', customer: 'cus_second' });
    await expect(Subscription.createFromStripe(second)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('refuses one of nobody who is known', async () => {
    const nobody = new Types.ObjectId().toHexString();
    await expect(Subscription.createFromStripe(stripeObject(nobody))).rejects.toThrow('User not found');
  });
});
