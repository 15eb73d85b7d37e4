import type { Types } from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import type { GenerationStatus } from '@/domain/lifecycle.ts';
import { generationsOf, usageDaysOf, usageTotalsOf } from '@/models/collections.ts';
import { rollUp } from '@/models/statements/usage/rollUp.ts';
import { systemStats, userStats } from '@/models/statements/usage/stats.ts';
import { freezeDays, removeUsage } from '@/models/statements/usage/upkeep.ts';
import { systemAnalytics, userAnalytics } from '@/repositories/analytics.ts';
import { START, signUp, useDatabase } from '../support/database.ts';
import { commandsOf, interlocked } from '../support/interrupt.ts';

const store = useDatabase();
const { ImageGeneration } = store.models;
const DAY = 86_400_000;
const WEEK = { days: 7, timezone: 'UTC' };

let userId: Types.ObjectId;

beforeEach(async () => {
  await Promise.all([generationsOf, usageDaysOf, usageTotalsOf].map((of) => of(store).deleteMany({})));
  store.clock.set(START);
  userId = await signUp(store);
});

async function generate(status: GenerationStatus, daysAgo = 0, owner = userId): Promise<Types.ObjectId> {
  const createdAt = new Date(store.clock.now().getTime() - daysAgo * DAY);
  const fields = { userId: owner, type: 'text-to-image' as const, prompt: 'a', status, createdAt };
  return (await ImageGeneration.create(fields))._id;
}

describe('frozen days', () => {
  it('keep their counts when their generations are removed for good', async () => {
    await generate('completed', 6);
    await generate('failed', 4);
    await generate('completed');
    const before = await systemStats(store);
    const week = await userAnalytics(store, { _id: userId }, WEEK);
    const limit = new Date(store.clock.now().getTime() - 3 * DAY);
    expect(await freezeDays(store, limit)).toBe(2);
    await generationsOf(store).deleteMany({ createdAt: { $lt: limit } });
    await rollUp(store);
    expect(await systemStats(store)).toEqual(before);
    expect(await userStats(store, userId)).toEqual(before);
    expect(await userAnalytics(store, { _id: userId }, WEEK)).toEqual(week);
    expect(await freezeDays(store, limit)).toBe(0);
  });

  it('hold what had not been rolled up before, and change no more', async () => {
    const _id = await generate('pending', 5);
    expect(await freezeDays(store, store.clock.now())).toBe(1);
    await ImageGeneration.updateOne({ _id }, { status: 'failed' });
    await generate('completed', 5);
    const { analytics } = await userAnalytics(store, { _id: userId }, WEEK);
    expect(analytics).toMatchObject({ totalGenerations: 1, byStatus: { pending: 1, failed: 0 } });
    expect((await systemAnalytics(store, WEEK)).overview).toMatchObject({
      totalGenerations: 1,
      byStatus: { pending: 1 },
    });
  });

  it('withstand a computation that began before they were frozen', async () => {
    const freeze = () => freezeDays(store, store.clock.now());
    for (let commands = 0, going = true; going; commands += 1) {
      const _id = await generate('completed', 5);
      await rollUp(store);
      const freezing = await commandsOf(freeze);
      await usageDaysOf(store).updateMany({}, { $set: { frozen: false } });
      // The freeze has rolled up, and is about to mark the days, when something changes and another run takes that up.
      const change = () => ImageGeneration.updateOne({ _id }, { style: 'oil' });
      const freezeAndRemove = async () => {
        await freeze();
        await generationsOf(store).deleteMany({});
      };
      const { second } = await interlocked({ run: freezeAndRemove, commands: freezing - 2 }, change, {
        run: () => rollUp(store),
        commands,
      });
      expect(await systemStats(store)).toMatchObject({ totalGenerations: 1 });
      await removeUsage(store, [userId]);
      going = second;
    }
  });

  it('of one user leave the system with the others when that user is removed', async () => {
    const other = await signUp(store);
    await generate('completed', 5);
    await generate('completed', 5, other);
    await generate('failed', 1);
    await freezeDays(store, store.clock.now());
    await generationsOf(store).deleteMany({ userId });
    await removeUsage(store, [userId]);
    expect(await systemStats(store)).toMatchObject({ totalGenerations: 1, byStatus: { completed: 1, failed: 0 } });
    expect((await systemAnalytics(store, WEEK)).overview.activeUsers).toBe(1);
    expect(await usageDaysOf(store).countDocuments({ userId })).toBe(0);
  });
});
