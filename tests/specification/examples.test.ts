import mongoose, { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectDB, disconnectDB, getConnectionInfo } from '@/config/database';
import { ImageGenerationModel, SubscriptionModel, UserModel } from '@/models';
import { DatabaseUtils } from '@/utils/database';
import { databaseUri } from '../support/database.ts';

/** The examples of the specification, as it prints them, imports included. */

beforeAll(async () => {
  vi.stubEnv('MONGODB_URI', databaseUri(`test_${new Types.ObjectId().toHexString()}`));
  vi.stubEnv('NODE_ENV', 'development');
  await connectDB();
});

afterAll(async () => {
  await mongoose.connection.dropDatabase();
  await disconnectDB();
  vi.unstubAllEnvs();
});

async function signUp() {
  const user = await UserModel.create({
    clerkUserId: `user_${new Types.ObjectId().toHexString()}`,
    email: 'user@example.com',
    name: 'A Name',
    subscriptionTier: 'free',
  });
  return user;
}

describe('Database Connection', () => {
  it('connects by MONGODB_URI, with all models, and tells so', () => {
    const dbInfo = getConnectionInfo();
    expect(dbInfo.isConnected).toBe(true);
    expect(dbInfo.models).toEqual(expect.arrayContaining(['User', 'Subscription', 'ImageGeneration']));
  });

  it('connects again after a disconnection that the health check has seen', async () => {
    await disconnectDB();
    const dbInfo = getConnectionInfo();
    expect(dbInfo.isConnected).toBe(false);
    if (!dbInfo.isConnected) {
      await connectDB();
    }
    expect(getConnectionInfo().isConnected).toBe(true);
    expect(await UserModel.getActiveUsersCount()).toBe(0);
  });
});

describe('User Management', () => {
  it('creates a user, spends what is there, and reads the user with the subscription', async () => {
    const user = await UserModel.create({
      clerkUserId: 'user_123',
      email: 'user@example.com',
      name: 'A Name',
      subscriptionTier: 'free',
    });
    expect(user.canGenerateImages(2)).toBe(true);
    if (user.canGenerateImages(2)) {
      await user.incrementUsage(2);
    }
    expect(user.monthlyUsage).toBe(2);
    const before = await UserModel.findById(user.id).populate('subscription');
    expect(before?.get('subscription')).toBeNull();
    await SubscriptionModel.create({ userId: user.id, tier: 'plus', status: 'active', currentPeriodEnd: new Date() });
    const userWithSubscription = await UserModel.findById(user.id).populate('subscription');
    expect(userWithSubscription?.get('subscription')).toMatchObject({ tier: 'plus', status: 'active' });
  });
});

describe('Subscription Management', () => {
  it("stores what Stripe's webhook tells of a customer who is known, and says whether it is active", async () => {
    const user = await signUp();
    const userId = user.id;
    await SubscriptionModel.create({
      userId,
      tier: 'plus',
      status: 'canceled',
      stripeCustomerId: 'cus_123',
      currentPeriodEnd: new Date('2024-01-01'),
    });
    const subscription = await SubscriptionModel.createFromStripe({
      customerId: 'cus_123',
      subscriptionId: 'sub_123',
      status: 'active',
      currentPeriodEnd: new Date('2024-02-01'),
    });
    expect(subscription).toMatchObject({ stripeSubscriptionId: 'sub_123', status: 'active' });
    const userSubscription = await SubscriptionModel.findByUserId(userId);
    expect(userSubscription?.isActive()).toBe(true);
  });

  it('that says nothing of a tier, in words or in what is known, grants none', async () => {
    const user = await signUp();
    const subscription = await SubscriptionModel.createFromStripe({
      userId: user.id,
      customerId: 'cus_silent',
      subscriptionId: 'sub_silent',
      status: 'active',
      currentPeriodEnd: new Date(Date.now() + 86_400_000),
    });
    expect(subscription.tier).toBe('free');
    expect(await UserModel.findById(user.id)).toMatchObject({ subscriptionTier: 'free' });
  });
});

describe('Analytics and Reporting', () => {
  it('has the fields that a dashboard reads', async () => {
    const { id: userId } = await signUp();
    const userAnalytics = await DatabaseUtils.getUserAnalytics(userId, 30);
    expect({
      remainingQuota: userAnalytics.user.remainingQuota,
      totalGenerated: userAnalytics.user.totalImagesGenerated,
      dailyUsage: userAnalytics.analytics.dailyGenerations.length,
    }).toEqual({ remainingQuota: 10, totalGenerated: 0, dailyUsage: 30 });
    const systemMetrics = await DatabaseUtils.getSystemAnalytics(7);
    expect(systemMetrics.overview.totalUsers).toBe(await UserModel.getActiveUsersCount());
    expect(systemMetrics.trends.dailyTrends).toHaveLength(7);
  });
});

describe('Automated Quota Resets', () => {
  it('resets everybody whose reset date has passed, and nobody else', async () => {
    const [due, other] = [await signUp(), await signUp()];
    await due.incrementUsage(3);
    await other.incrementUsage(3);
    await UserModel.updateOne({ _id: due._id }, { quotaResetDate: new Date(Date.now() - 1000) });
    const usersToReset = await UserModel.getUsersToResetQuota();
    for (const user of usersToReset) {
      await user.resetMonthlyQuota();
    }
    expect(usersToReset.map(({ id }) => id)).toEqual([due.id]);
    expect(await UserModel.findById(due.id)).toMatchObject({ monthlyUsage: 0 });
    expect(await UserModel.findById(other.id)).toMatchObject({ monthlyUsage: 3 });
    expect(await UserModel.getUsersToResetQuota()).toEqual([]);
  });
});

describe('Common Error Patterns', () => {
  it('tell by message that there is no such user, or that the quota does not suffice', async () => {
    const messageOf = (work: Promise<unknown>) => work.then(String, (error: Error) => error.message);
    const { id: userId } = await signUp();
    expect(await messageOf(DatabaseUtils.checkUserQuota('user123'))).toBe('User not found');
    expect(await messageOf(DatabaseUtils.consumeUserQuota(userId, 11))).toBe('Insufficient quota remaining');
    expect(await DatabaseUtils.checkUserQuota(userId, 11)).toMatchObject({ allowed: false });
  });
});

describe('Validation Errors', () => {
  it('have the name ValidationError, and one entry in errors for each field', async () => {
    const userData = { email: 'user@example.com', subscriptionTier: JSON.parse('"gold"'), monthlyUsage: -1 };
    const error = await UserModel.create(userData).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      name: 'ValidationError',
      errors: {
        clerkUserId: { kind: 'required', path: 'clerkUserId' },
        subscriptionTier: { kind: 'enum', path: 'subscriptionTier', value: 'gold' },
        monthlyUsage: { kind: 'min', path: 'monthlyUsage', value: -1 },
      },
    });
  });
});

describe('Schema Fields', () => {
  const BASE = ['createdAt', 'updatedAt', 'isDeleted', 'deletedAt'];

  it.each([
    [
      'User',
      UserModel.schema,
      'clerkUserId email name subscriptionTier monthlyUsage totalImagesGenerated quotaResetDate preferences settings',
    ],
    [
      'Subscription',
      SubscriptionModel.schema,
      'userId tier status stripeCustomerId stripeSubscriptionId currentPeriodStart currentPeriodEnd trialStart trialEnd ' +
        'cancelAtPeriodEnd metadata',
    ],
    [
      'ImageGeneration',
      ImageGenerationModel.schema,
      'userId type prompt negativePrompt style aspectRatio quality model status credits processingTime outputImages ' +
        'errorMessage metadata startedAt completedAt failedAt',
    ],
  ])('of %s are all there', (_, schema, fields) => {
    const missing = [...fields.split(' '), ...BASE].filter((field) => schema.pathType(field) === 'adhocOrUndefined');
    expect(missing).toEqual([]);
  });
});
