import mongoose, { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import type { Clock } from '@/domain/clock.ts';
import { addMonths } from '@/domain/periods.ts';
import { LIVE_STATUSES } from '@/domain/subscription.ts';
import { ImageGenerationModel, SubscriptionModel, UserModel } from '@/models';
import { isDuplicateKey } from '@/models/duplicateKey.ts';
import { createModels } from '@/models/index.ts';
import { signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const { ValidationError } = mongoose.Error;

describe('the models of @/models', () => {
  it('live on the default connection', () => {
    for (const model of [UserModel, SubscriptionModel, ImageGenerationModel]) {
      expect(model.db).toBe(mongoose.connection);
    }
  });
});

describe('a new user', () => {
  it('is free, has used nothing, and is reset a month after sign-up', async () => {
    const user = await store.models.User.create({
      clerkUserId: 'user_123',
      email: 'user@example.com',
      name: 'A Name',
      subscriptionTier: 'free',
    });
    expect(user.toObject()).toMatchObject({
      monthlyUsage: 0,
      totalImagesGenerated: 0,
      quotaResetDate: new Date('2026-04-10T09:00:00.000Z'),
      preferences: { theme: 'system', language: 'en', defaultStyle: 'realistic' },
      settings: { emailNotifications: true, quotaAlerts: true },
      isDeleted: false,
      createdAt: store.clock.now(),
    });
  });

  it('begins its period at the very instant that it signs up, however long it takes to make it', async () => {
    let elapsed = 0;
    const ticking: Clock = { now: () => new Date(Date.UTC(2026, 2, 10) + elapsed++) };
    const { User } = createModels(mongoose.createConnection(), ticking);
    const user = new User({ clerkUserId: 'user_instant' });
    await user.validate();
    expect(user.quotaAnchor).toEqual(user.createdAt);
    expect(user.periodStart).toEqual(user.createdAt);
    expect(user.quotaResetDate).toEqual(addMonths(user.createdAt, 1));
  });

  it('shares its Clerk id with nobody, deleted or not', async () => {
    const once = { clerkUserId: 'user_once' };
    await store.models.User.create(once);
    await store.models.User.updateOne(once, { isDeleted: true });
    const error = await store.models.User.create(once).catch((reason: unknown) => reason);
    expect(isDuplicateKey(error)).toBe(true);
    expect(error).toMatchObject({ keyValue: once });
  });

  it.each([
    [{}, 'clerkUserId'],
    [{ clerkUserId: 'a', subscriptionTier: 'gold' }, 'subscriptionTier'],
    [{ clerkUserId: 'a', monthlyUsage: -1 }, 'monthlyUsage'],
    [{ clerkUserId: 'a', monthlyUsage: 1.5 }, 'monthlyUsage'],
    [{ clerkUserId: 'a', preferences: { theme: 'neon' } }, 'preferences.theme'],
  ])('is refused as %j by the name of the field', async (fields, path) => {
    const error = await new store.models.User(fields).validate().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ name: 'ValidationError', errors: { [path]: expect.anything() } });
  });
});

describe('a subscription', () => {
  const of = (userId: Types.ObjectId, status: string) => ({
    userId,
    tier: 'plus' as const,
    status,
    currentPeriodEnd: new Date('2026-05-01T00:00:00Z'),
  });

  it.each(LIVE_STATUSES)('that is %s stands alone beside those that have ended', async (status) => {
    const userId = await signUp(store);
    await store.models.Subscription.insertMany([of(userId, 'canceled'), of(userId, 'incomplete_expired')]);
    await store.models.Subscription.insertMany([of(userId, status)]);
    const error = await store.models.Subscription.insertMany([of(userId, 'active')]).catch((reason: unknown) => reason);
    expect(isDuplicateKey(error)).toBe(true);
  });
});

describe('a recorded generation', () => {
  it('costs what its quality and count say, and is not charged by being recorded', async () => {
    const generation = await store.models.ImageGeneration.create({
      userId: new Types.ObjectId(),
      type: 'text-to-image',
      prompt: 'A beautiful sunset',
      quality: 'hd',
      count: 3,
    });
    expect(generation).toMatchObject({ status: 'pending', credits: 6, style: 'realistic', attempts: 0 });
    expect(generation.charge).toBeUndefined();
    expect(generation.availableAt).toBeUndefined();
  });

  const valid = { userId: new Types.ObjectId(), type: 'text-to-image', prompt: 'p' };
  it.each([
    ['userId', { ...valid, userId: undefined }],
    ['type', { ...valid, type: 'video' }],
    ['prompt', { ...valid, prompt: 'x'.repeat(4001) }],
    ['negativePrompt', { ...valid, negativePrompt: 'x'.repeat(2001) }],
    ['aspectRatio', { ...valid, aspectRatio: '5:4' }],
    ['quality', { ...valid, quality: 'ultra' }],
    ['count', { ...valid, count: 5 }],
    ['sourceImageUrl', { ...valid, type: 'upscale' }],
    ['sourceImageUrl', { ...valid, type: 'upscale', sourceImageUrl: 'http://example.com/a.png' }],
    ['status', { ...valid, status: 'lost' }],
    ['outputImages.0.url', { ...valid, outputImages: [{ filename: 'a', size: 1 }] }],
  ])('with a bad %s is refused by that name', async (path, fields) => {
    const error = await new store.models.ImageGeneration(fields).validate().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ errors: { [path]: expect.anything() } });
  });
});
