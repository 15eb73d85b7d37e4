import mongoose, { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { settle } from '@/repositories/settlement.ts';
import { sweep } from '@/workflows/sweep.ts';
import { contextOf } from '../support/context.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const { User, Subscription, ImageGeneration, AuditEntry, LedgerEntry } = store.models;
const ctx = contextOf(store);

const DAY = 24 * 60 * 60 * 1000;
const daysOn = (days: number) => new Date(store.clock.now().getTime() + days * DAY);

async function user(tier: 'free' | 'plus' | 'pro' = 'free') {
  const found = await User.findById(await signUp(store, tier));
  if (!found) throw new Error('The user was just made');
  return found;
}

describe('user.incrementUsage', () => {
  it('charges, and the document shows what the account says', async () => {
    const one = await user();
    await one.incrementUsage(3);
    expect(one).toMatchObject({ monthlyUsage: 3, totalImagesGenerated: 3 });
    expect(one.getRemainingQuota()).toBe(7);
    expect(one.isModified()).toBe(false);
    await settle(store, [one._id]);
    expect(await LedgerEntry.findOne({ userId: one._id })).toMatchObject({ kind: 'charge', credits: 3, balance: 7 });
  });

  it('takes one credit unless told otherwise', async () => {
    const one = await user();
    await one.incrementUsage();
    expect(one.monthlyUsage).toBe(1);
  });

  it('can no more overspend than anything else, whatever stale documents believe', async () => {
    const one = await user();
    const stale = await Promise.all(Array.from({ length: 30 }, () => User.findById(one._id)));
    const outcomes = await Promise.allSettled(stale.map((copy) => copy?.incrementUsage(1)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason.message).toBe('Insufficient quota remaining');
    }
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 10 });
  });

  it('leaves changes of other fields to be saved, and a later save writes no usage back', async () => {
    const one = await user();
    one.name = 'New name';
    await one.incrementUsage(2);
    const other = await User.findById(one._id);
    await other?.incrementUsage(3);
    await one.save();
    expect(await readUser(store, one._id)).toMatchObject({ name: 'New name', monthlyUsage: 5 });
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d credits', async (credits) => {
    const one = await user();
    await expect(one.incrementUsage(credits)).rejects.toMatchObject({ code: 'validation_failed' });
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 0 });
  });

  it('is refused for a deleted user', async () => {
    const one = await user();
    await one.softDelete();
    await expect(one.incrementUsage()).rejects.toMatchObject({ code: 'account_deleted' });
  });
});

describe('user.resetMonthlyQuota', () => {
  it('begins the month that is due, once for all who have read it as due', async () => {
    const one = await user();
    await one.incrementUsage(9);
    store.clock.set(new Date(one.quotaResetDate));
    const due = (await User.getUsersToResetQuota()).filter(({ _id }) => _id.equals(one._id));
    const again = (await User.getUsersToResetQuota()).filter(({ _id }) => _id.equals(one._id));
    expect([due.length, again.length]).toEqual([1, 1]);
    for (const copy of due) await copy.resetMonthlyQuota();
    const fresh = await User.findById(one._id);
    await fresh?.incrementUsage(4);
    for (const copy of again) await copy.resetMonthlyQuota();
    const stored = await readUser(store, one._id);
    expect(stored).toMatchObject({ monthlyUsage: 4, periodNumber: 2 });
    expect(stored.quotaResetDate > store.clock.now()).toBe(true);
    await settle(store, [one._id]);
    expect(await LedgerEntry.countDocuments({ userId: one._id, kind: 'reset' })).toBe(1);
    expect(due[0]?.monthlyUsage).toBe(0);
    expect(again[0]?.monthlyUsage).toBe(4);
  });

  it('begins the running month anew when none is due', async () => {
    const one = await user();
    await one.incrementUsage(9);
    await one.resetMonthlyQuota();
    expect(one).toMatchObject({ monthlyUsage: 0, periodNumber: 2 });
    await one.incrementUsage(1);
    await one.resetMonthlyQuota();
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 0, periodNumber: 3 });
  });

  it('leaves a line in the audit trail', async () => {
    const one = await user();
    await one.resetMonthlyQuota();
    await settle(store, [one._id]);
    expect(await AuditEntry.find({ 'subject.id': one._id }).lean()).toMatchObject([
      { action: 'quota.reset', actor: { kind: 'library' }, subject: { model: 'User' } },
    ]);
  });
});

describe('user.canGenerateImages', () => {
  it('is what remains, also when the month is over and nothing has reset it', async () => {
    const one = await user();
    await one.incrementUsage(9);
    expect([one.canGenerateImages(), one.canGenerateImages(2)]).toEqual([true, false]);
    store.clock.set(new Date(one.quotaResetDate));
    expect(one.canGenerateImages(10)).toBe(true);
    expect(one.canGenerateImages(11)).toBe(false);
  });
});

describe('user.updateSubscription', () => {
  it('changes the tier and its quota at once, and says so in the audit trail', async () => {
    const one = await user();
    await one.updateSubscription('pro');
    expect(one.subscriptionTier).toBe('pro');
    expect(one.getRemainingQuota()).toBe(1000);
    await one.updateSubscription('pro');
    await settle(store, [one._id]);
    expect(await AuditEntry.find({ 'subject.id': one._id }).lean()).toMatchObject([
      { action: 'tier.changed', detail: { from: 'free', to: 'pro' } },
    ]);
  });

  it('knows no other tier', async () => {
    const one = await user();
    await expect(one.updateSubscription(JSON.parse('"gold"'))).rejects.toMatchObject({ code: 'validation_failed' });
  });
});

describe('deleting a user', () => {
  it('hides the account, and restoring shows it with the quota that it had', async () => {
    const one = await user();
    await one.incrementUsage(4);
    await one.softDelete();
    expect(await User.findByClerkId(one.clerkUserId)).toBeNull();
    expect(one).toMatchObject({ isDeleted: true, deletedAt: store.clock.now() });
    await one.restore();
    expect(await User.findByClerkId(one.clerkUserId)).toMatchObject({ monthlyUsage: 4, isDeleted: false });
    await settle(store, [one._id]);
    const trail = await AuditEntry.find({ 'subject.id': one._id }).sort({ _id: 1 }).lean();
    expect(trail.map(({ action }) => action)).toEqual(['user.deleted', 'user.restored']);
  });
});

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

describe('a generation', () => {
  const record = async (fields: object = {}) => {
    const one = await user();
    const generation = await ImageGeneration.createGeneration({
      userId: one._id,
      type: 'text-to-image',
      prompt: 'A majestic mountain landscape',
      style: 'realistic',
      ...fields,
    });
    return { one, generation };
  };
  const picture = { url: 'https://example.com/image.jpg', filename: 'mountain.jpg', size: 1024000 };

  it('is recorded without being charged', async () => {
    const { one, generation } = await record({ quality: 'hd', count: 2 });
    expect(generation.calculateCost()).toBe(4);
    expect(generation).toMatchObject({ status: 'pending', credits: 4 });
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 0 });
  });

  it('goes from pending through processing to completed, and its pictures are counted once', async () => {
    const { one, generation } = await record();
    await generation.markAsProcessing();
    store.clock.advance(2500);
    await generation.markAsCompleted([picture]);
    expect(generation.toObject()).toMatchObject({ status: 'completed', outputImages: [picture], processingTime: 2.5 });
    await sweep(ctx, 0);
    await sweep(ctx, 0);
    expect(await readUser(store, one._id)).toMatchObject({ totalImagesGenerated: 1 });
  });

  it('moves only where the lifecycle allows, whatever a stale document believes', async () => {
    const { generation } = await record();
    const stale = await ImageGeneration.findById(generation._id);
    await expect(generation.markAsCompleted([picture])).rejects.toMatchObject({ code: 'invalid_transition' });
    await generation.markAsProcessing();
    await expect(stale?.markAsProcessing()).rejects.toMatchObject({ code: 'invalid_transition' });
    await generation.markAsFailed('No luck');
    await expect(stale?.markAsFailed('again')).rejects.toMatchObject({ code: 'invalid_transition' });
    expect(generation.toObject()).toMatchObject({
      status: 'failed',
      errorMessage: 'No luck',
      failedAt: store.clock.now(),
    });
    expect(await ImageGeneration.findById(generation._id).lean()).toMatchObject({ errorMessage: 'No luck' });
  });

  it('has from one to as many pictures as were asked for', async () => {
    const { generation } = await record();
    await generation.markAsProcessing();
    const { ValidationError } = mongoose.Error;
    await expect(generation.markAsCompleted([])).rejects.toBeInstanceOf(ValidationError);
    await expect(generation.markAsCompleted([picture, picture])).rejects.toBeInstanceOf(ValidationError);
    await expect(generation.markAsCompleted([{ ...picture, url: '' }])).rejects.toBeInstanceOf(ValidationError);
    expect(generation.status).toBe('processing');
  });

  it('is found among the stalled when its attempt is too old', async () => {
    const { generation } = await record();
    await generation.markAsProcessing();
    const ids = async () => (await ImageGeneration.findStalledGenerations()).map(({ id }) => id);
    expect(await ids()).not.toContain(generation.id);
    store.clock.advance(900_000);
    expect(await ids()).toContain(generation.id);
    await sweep(ctx, 0);
    expect(await ImageGeneration.findById(generation._id)).toMatchObject({ status: 'failed' });
  });

  it('is found by its user, newest first, by status, type and age', async () => {
    const { one, generation } = await record();
    store.clock.advance(8 * DAY);
    const newer = await ImageGeneration.createGeneration({ userId: one._id, type: 'text-to-image', prompt: 'p' });
    await newer.markAsProcessing();
    const ids = (found: { id?: string }[]) => found.map(({ id }) => id);
    expect(ids(await ImageGeneration.findByUser(one._id))).toEqual([newer.id, generation.id]);
    expect(ids(await ImageGeneration.findByUser(one.id, { limit: 1 }))).toEqual([newer.id]);
    expect(ids(await ImageGeneration.findByUser(one._id, { status: 'pending' }))).toEqual([generation.id]);
    expect(ids(await ImageGeneration.findByUser(one._id, { type: 'upscale' }))).toEqual([]);
    expect(ids(await ImageGeneration.findRecentByUser(one._id))).toEqual([newer.id]);
    expect(ids(await ImageGeneration.findRecentByUser(one._id, 9))).toEqual([newer.id, generation.id]);
  });

  it('that is deleted is hidden and told in the audit trail, and can be restored', async () => {
    const { generation } = await record();
    await generation.softDelete();
    expect(generation).toMatchObject({ status: 'cancelled', isDeleted: true });
    expect(await ImageGeneration.findById(generation._id)).toBeNull();
    await generation.restore();
    expect(await ImageGeneration.findById(generation._id)).toMatchObject({ status: 'cancelled' });
    await sweep(ctx, 0);
    const trail = await AuditEntry.find({ 'subject.id': generation._id }).sort({ _id: 1 }).lean();
    expect(trail.map(({ action }) => action)).toEqual(['generation.deleted', 'generation.restored']);
  });
});
