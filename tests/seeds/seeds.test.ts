import { describe, expect, it } from 'vitest';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { SEED_PEOPLE } from '../../seeds/people.ts';
import { cleanup, seed } from '../../seeds/seed.ts';
import { signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();

async function stored() {
  const { User, Subscription, ImageGeneration, LedgerEntry } = store.models;
  return {
    users: await User.countDocuments(),
    subscriptions: await Subscription.countDocuments(),
    generations: await ImageGeneration.countDocuments(),
    ledgerEntries: await LedgerEntry.countDocuments(),
  };
}

describe('the seeds', () => {
  it('are the four users of the specification, with their tiers and usage', async () => {
    await seed(store);
    const users = await store.models.User.find().sort({ clerkUserId: 1 }).lean();
    expect(users).toMatchObject([
      { clerkUserId: 'user_test_free_1', email: 'free.user@example.com', subscriptionTier: 'free', monthlyUsage: 5 },
      { clerkUserId: 'user_test_plus_1', email: 'plus.user@example.com', subscriptionTier: 'plus', monthlyUsage: 25 },
      { clerkUserId: 'user_test_pro_1', email: 'pro.user@example.com', subscriptionTier: 'pro', monthlyUsage: 150 },
      { clerkUserId: 'user_test_trial_1', email: 'trial.user@example.com', subscriptionTier: 'plus', monthlyUsage: 3 },
    ]);
  });

  it('have the subscriptions that go with the tiers, and reset when the paid period ends', async () => {
    const subscriptions = await store.models.Subscription.find().lean();
    expect(subscriptions.map(({ status, tier }) => `${tier} ${status}`).toSorted()).toEqual([
      'plus active',
      'plus trialing',
      'pro active',
    ]);
    for (const { userId, currentPeriodEnd } of subscriptions) {
      expect(await store.models.User.findById(userId).lean()).toMatchObject({ quotaResetDate: currentPeriodEnd });
    }
  });

  it('have generations of several types and of every status', async () => {
    const types = await store.models.ImageGeneration.distinct('type');
    const statuses = await store.models.ImageGeneration.distinct('status');
    expect(types.length).toBeGreaterThanOrEqual(4);
    expect(statuses.toSorted()).toEqual(['cancelled', 'completed', 'failed', 'pending', 'processing']);
  });

  it('balance: every account equals its ledger', async () => {
    expect(await verifyLedger(store)).toEqual({ usersChecked: SEED_PEOPLE.length, violations: [] });
  });

  it('make no doubles when they are sown twice', async () => {
    const before = await stored();
    expect(await seed(store)).toEqual({ users: 0, subscriptions: 0, generations: 0, ledgerEntries: 0 });
    expect(await stored()).toEqual(before);
  });

  it('are completed by the next run where one was cut off', async () => {
    const complete = await stored();
    await store.models.User.deleteMany({ clerkUserId: 'user_test_pro_1' });
    const cut = await store.models.ImageGeneration.findOne({ credits: 4 }).orFail().lean();
    await store.models.ImageGeneration.deleteOne({ _id: cut._id });
    await store.models.User.deleteMany({ _id: cut.userId });
    await seed(store);
    expect(await stored()).toEqual(complete);
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  });

  it('are removed with all that is theirs, and nothing else', async () => {
    const developer = await signUp(store);
    await store.models.ImageGeneration.create({ userId: developer, type: 'text-to-image', prompt: 'Mine' });
    await cleanup(store);
    expect(await stored()).toEqual({ users: 1, subscriptions: 0, generations: 1, ledgerEntries: 0 });
  });
});
