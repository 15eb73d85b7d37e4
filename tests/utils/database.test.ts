import mongoose, { Types } from 'mongoose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectDB, disconnectDB, getConnectionInfo } from '@/config/database';
import type { QuotaAlert } from '@/domain/alerts.ts';
import { systemClock } from '@/domain/clock.ts';
import { ImageGenerationModel, LedgerEntryModel, SubscriptionModel, UserModel } from '@/models';
import { defaultModels } from '@/models/index.ts';
import { DatabaseUtils } from '@/utils/database';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { contextOf } from '../support/context.ts';
import { databaseUri } from '../support/database.ts';

const store = { models: defaultModels, clock: systemClock() };

beforeAll(async () => {
  await connectDB({ uri: databaseUri(`test_${new Types.ObjectId().toHexString()}`), attempts: 3 });
});

afterAll(async () => {
  expect((await verifyLedger(store)).violations).toEqual([]);
  await mongoose.connection.dropDatabase();
  await disconnectDB();
});

let userId: string;

beforeEach(async () => {
  const user = await UserModel.create({
    clerkUserId: `user_${new Types.ObjectId()}`,
    email: 'user@example.com',
    name: 'A',
  });
  userId = user.id;
});

const request = () => ({ userId, type: 'text-to-image' as const, prompt: 'A beautiful sunset', style: 'realistic' });
const usage = async () => (await UserModel.findById(userId))?.monthlyUsage;

describe('the connection', () => {
  it('tells that it is connected, and which models it has', () => {
    expect(getConnectionInfo()).toMatchObject({
      isConnected: true,
      models: expect.arrayContaining(['User', 'Subscription', 'ImageGeneration', 'LedgerEntry', 'AuditEntry']),
    });
  });
});

describe('DatabaseUtils.checkUserQuota', () => {
  it('says whether the credits are there, by id and by Clerk id', async () => {
    const expected = { allowed: true, credits: 10, tier: 'free', limit: 10, used: 0, remaining: 10 };
    expect(await DatabaseUtils.checkUserQuota(userId, 10)).toMatchObject(expected);
    const clerkUserId = (await UserModel.findById(userId))?.clerkUserId ?? '';
    expect(await DatabaseUtils.checkUserQuota(clerkUserId)).toMatchObject({ allowed: true, credits: 1 });
    expect(await DatabaseUtils.checkUserQuota(userId, 11)).toMatchObject({ allowed: false, remaining: 10 });
  });

  it.each(['user123', new Types.ObjectId().toHexString(), new Types.ObjectId()])(
    "throws 'User not found' for %s",
    async (id) => {
      const error = await DatabaseUtils.checkUserQuota(id).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ message: 'User not found', code: 'not_found' });
    },
  );
});

describe('DatabaseUtils.consumeUserQuota', () => {
  it('charges, and the ledger has it', async () => {
    const consumed = await DatabaseUtils.consumeUserQuota(userId, 4);
    expect(consumed).toMatchObject({ credits: 4, quota: { used: 4, remaining: 6 }, repeated: false });
    expect(await LedgerEntryModel.findById(consumed.chargeId)).toMatchObject({ kind: 'charge', credits: 4 });
  });

  it("throws 'Insufficient quota remaining' and takes nothing", async () => {
    await expect(DatabaseUtils.consumeUserQuota(userId, 11)).rejects.toThrow('Insufficient quota remaining');
    expect(await usage()).toBe(0);
  });

  it('charges once per key, however many call at once', async () => {
    const calls = Array.from({ length: 20 }, () =>
      DatabaseUtils.consumeUserQuota(userId, 2, { idempotencyKey: 'order-1' }),
    );
    const ids = new Set((await Promise.all(calls)).map(({ chargeId }) => chargeId.toHexString()));
    expect(ids.size).toBe(1);
    expect(await usage()).toBe(2);
    await expect(DatabaseUtils.consumeUserQuota(userId, 3, { idempotencyKey: 'order-1' })).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
  });

  it('charges once per generation, however many call at once, also when it was paid as it was recorded', async () => {
    const recorded = await ImageGenerationModel.createGeneration(request());
    const paid = await DatabaseUtils.createImageGeneration(request());
    for (const generation of [recorded, paid]) {
      const calls = Array.from({ length: 10 }, () =>
        DatabaseUtils.consumeUserQuota(userId, 1, { generationId: generation.id }),
      );
      const ids = new Set((await Promise.all(calls)).map(({ chargeId }) => chargeId.toHexString()));
      expect(ids.size).toBe(1);
    }
    expect(await usage()).toBe(2);
    await DatabaseUtils.consumeUserQuota(userId, 1, { generationId: recorded.id });
    expect(await usage()).toBe(2);
  });

  it('tells of a level that is reached, by whichever call, once a period, and to nobody else than who listens', async () => {
    const told: QuotaAlert[] = [];
    await DatabaseUtils.consumeUserQuota(userId, 7);
    const user = await UserModel.findById(userId);
    await user?.incrementUsage(1);
    expect((await UserModel.findById(userId))?.quotaAlert, 'nobody listened: it is still to be told').toBe(0);
    const end = DatabaseUtils.onQuotaAlert((alert) => told.push(alert));
    await user?.incrementUsage(1);
    await DatabaseUtils.resetUserQuota(userId);
    const recorded = await ImageGenerationModel.createGeneration({ ...request(), count: 4, quality: 'hd' });
    const pay = () => DatabaseUtils.consumeUserQuota(userId, 8, { generationId: recorded.id });
    await pay();
    await pay();
    await DatabaseUtils.createImageGeneration({ ...request(), count: 2 });
    end();
    await DatabaseUtils.resetUserQuota(userId);
    await DatabaseUtils.consumeUserQuota(userId, 10);
    expect(told).toEqual([80, 80, 100].map((level) => ({ userId, tier: 'free', level })));
  });

  it('stands though nobody could be told of the level', async () => {
    const end = DatabaseUtils.onQuotaAlert(() => {});
    const admin = mongoose.connection.db?.admin();
    const failing = { failCommands: ['update'], errorCode: 8000, namespace: `${mongoose.connection.name}.users` };
    await admin?.command({ configureFailPoint: 'failCommand', mode: { times: 1 }, data: failing });
    const consumed = await DatabaseUtils.consumeUserQuota(userId, 9);
    await admin?.command({ configureFailPoint: 'failCommand', mode: 'off' });
    end();
    expect(consumed).toMatchObject({ quota: { used: 9 } });
    expect(await UserModel.findById(userId)).toMatchObject({ monthlyUsage: 9, quotaAlert: 0 });
  });

  it('lets a recorded generation be claimed once it is paid', async () => {
    const recorded = await ImageGenerationModel.createGeneration(request());
    expect(recorded.availableAt).toBeUndefined();
    await DatabaseUtils.consumeUserQuota(userId, 1, { generationId: recorded.id });
    expect(await ImageGenerationModel.findById(recorded.id)).toMatchObject({
      charge: { credits: 1 },
      availableAt: expect.any(Date),
    });
  });

  it('gives back what was paid for a generation that had failed by then', async () => {
    const recorded = await ImageGenerationModel.createGeneration(request());
    await recorded.markAsFailed('No luck');
    await DatabaseUtils.consumeUserQuota(userId, 1, { generationId: recorded.id });
    await sweep(contextOf(store), 0);
    expect(await usage()).toBe(0);
  });

  it('charges for no generation of somebody else', async () => {
    const other = await UserModel.create({ clerkUserId: `user_${new Types.ObjectId()}` });
    const theirs = await ImageGenerationModel.createGeneration({ ...request(), userId: other._id });
    for (const generationId of [theirs.id, new Types.ObjectId(), 'nonsense']) {
      await expect(DatabaseUtils.consumeUserQuota(userId, 1, { generationId })).rejects.toMatchObject({
        code: 'not_found',
      });
    }
    expect(await usage()).toBe(0);
  });
});

describe('DatabaseUtils.resetUserQuota', () => {
  it('begins a new month of credits', async () => {
    await DatabaseUtils.consumeUserQuota(userId, 7);
    expect(await DatabaseUtils.resetUserQuota(userId)).toMatchObject({ used: 0, remaining: 10 });
    expect(await LedgerEntryModel.findOne({ userId, kind: 'reset' })).toMatchObject({ credits: 10, balance: 10 });
  });
});

describe('the workflow of the specification', () => {
  it('records, processes, completes and consumes, and takes the credits once', async () => {
    const quotaCheck = await DatabaseUtils.checkUserQuota(userId);
    expect(quotaCheck.allowed).toBe(true);
    const generation = await ImageGenerationModel.createGeneration(request());
    await generation.markAsProcessing();
    await generation.markAsCompleted([
      { url: 'https://example.com/image.jpg', filename: 'mountain.jpg', size: 1024000 },
    ]);
    await DatabaseUtils.consumeUserQuota(userId, 1);
    expect(await usage()).toBe(1);
  });

  it('charges up front by the utility, gives back what failed, and counts what was delivered', async () => {
    const failing = await DatabaseUtils.createImageGeneration({ ...request(), quality: 'hd' });
    const working = await DatabaseUtils.createImageGeneration(request(), { idempotencyKey: 'one' });
    expect((await DatabaseUtils.createImageGeneration(request(), { idempotencyKey: 'one' })).id).toBe(working.id);
    expect(await usage()).toBe(3);
    await failing.markAsProcessing();
    await failing.markAsFailed('No luck');
    expect(await usage()).toBe(1);
    await working.markAsProcessing();
    await working.markAsCompleted([{ url: 'https://example.com/1.png', filename: '1.png', size: 10 }]);
    expect(await UserModel.findById(userId)).toMatchObject({ monthlyUsage: 1, totalImagesGenerated: 1 });
    const history = await DatabaseUtils.getImageGenerationHistory(userId, { limit: 20, status: 'completed' });
    expect(history.map(({ id }) => id)).toEqual([working.id]);
  });

  it('passes the errors of validation through', async () => {
    const error = await DatabaseUtils.createImageGeneration({ ...request(), prompt: '' }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'ValidationError', errors: { prompt: expect.anything() } });
  });
});

describe('DatabaseUtils and subscriptions', () => {
  const subscribe = () =>
    SubscriptionModel.createFromStripe({
      userId,
      customerId: `cus_${userId}`,
      subscriptionId: `sub_${userId}`,
      status: 'active',
      tier: 'plus',
      currentPeriodEnd: new Date(Date.now() + 86_400_000 * 20),
    });

  it('a user without one is free, and that is right', async () => {
    expect(await DatabaseUtils.validateUserSubscription(userId)).toMatchObject({
      isValid: true,
      isActive: false,
      tier: 'free',
      status: null,
      subscription: null,
    });
    await expect(DatabaseUtils.upgradeUserSubscription(userId, 'pro')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('an upgrade takes effect at once', async () => {
    await subscribe();
    expect(await DatabaseUtils.validateUserSubscription(userId)).toMatchObject({
      isValid: true,
      isActive: true,
      tier: 'plus',
    });
    const subscription = await DatabaseUtils.upgradeUserSubscription(userId, 'pro');
    expect(subscription.tier).toBe('pro');
    expect(await DatabaseUtils.validateUserSubscription(userId)).toMatchObject({
      isValid: true,
      tier: 'pro',
      daysUntilRenewal: 20,
    });
    await UserModel.updateOne({ _id: userId }, { subscriptionTier: 'free' });
    expect(await DatabaseUtils.validateUserSubscription(userId)).toMatchObject({ isValid: false });
  });
});

describe('DatabaseUtils and analytics', () => {
  it('tell what was asked for, as it is at this moment', async () => {
    const done = await DatabaseUtils.createImageGeneration({ ...request(), quality: 'hd' });
    await done.markAsProcessing();
    await done.markAsCompleted([{ url: 'https://example.com/1.png', filename: '1.png', size: 10 }]);
    const failed = await DatabaseUtils.createImageGeneration(request());
    await failed.markAsFailed('No luck');
    const today = new Date().toISOString().slice(0, 10);
    const { user, analytics } = await DatabaseUtils.getUserAnalytics(userId, 30);
    expect(user).toMatchObject({ id: userId, monthlyUsage: 2, remainingQuota: 8, totalImagesGenerated: 1 });
    expect(analytics).toMatchObject({
      days: 30,
      timezone: 'UTC',
      totalGenerations: 2,
      creditsUsed: 2,
      successRate: 0.5,
    });
    expect(analytics.dailyGenerations).toHaveLength(30);
    expect(analytics.dailyGenerations.at(-1)).toEqual({ date: today, total: 2, completed: 1, failed: 1, credits: 2 });
    expect(await ImageGenerationModel.getUserStats(userId)).toMatchObject({ totalGenerations: 2 });
    const { overview, trends } = await DatabaseUtils.getSystemAnalytics(7);
    expect(overview.totalGenerations).toBeGreaterThanOrEqual(2);
    expect(overview.totalUsers).toBe(await UserModel.getActiveUsersCount());
    expect(trends.dailyTrends).toHaveLength(7);
    expect((await ImageGenerationModel.getSystemStats()).totalGenerations).toBe(overview.totalGenerations);
  });

  it('refuse a calendar that does not exist', async () => {
    await expect(DatabaseUtils.getUserAnalytics(userId, 30, 'Europe/Atlantis')).rejects.toMatchObject({
      code: 'validation_failed',
    });
    await expect(DatabaseUtils.getUserAnalytics(userId, 0)).rejects.toMatchObject({ code: 'validation_failed' });
  });
});

describe('DatabaseUtils.performMaintenanceCleanup', () => {
  it('says what it has removed', async () => {
    expect(await DatabaseUtils.performMaintenanceCleanup()).toEqual({
      oldGenerationsRemoved: expect.any(Number),
      failedGenerationsRemoved: expect.any(Number),
      subscriptionsUpdated: expect.any(Number),
    });
  });
});

describe('DatabaseUtils and privacy', () => {
  it('exports and erases a user', async () => {
    await DatabaseUtils.createImageGeneration({ ...request(), prompt: 'a very private dream' });
    expect(JSON.stringify(await DatabaseUtils.exportUser(userId))).toContain('a very private dream');
    await DatabaseUtils.eraseUser(userId);
    expect(JSON.stringify(await DatabaseUtils.exportUser(userId))).not.toContain('a very private dream');
    await expect(DatabaseUtils.checkUserQuota(userId)).rejects.toMatchObject({ code: 'account_deleted' });
  });
});
