import { Types } from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AnalyticsRequest } from '@/domain/analytics.ts';
import { utcDay } from '@/domain/calendar.ts';
import { emptyUsage } from '@/domain/usage.ts';
import { generationsOf, usageDaysOf } from '@/models/collections.ts';
import type { ImageGeneration } from '@/models/ImageGeneration.ts';
import { rollUp } from '@/models/statements/usage/rollUp.ts';
import { systemStats, userStats } from '@/models/statements/usage/stats.ts';
import { systemAnalytics, userAnalytics } from '@/repositories/analytics.ts';
import { commandsDuring, slotsReadDuring } from '../support/commands.ts';
import { START, signUp, useDatabase } from '../support/database.ts';
import { examinedDuring } from '../support/examined.ts';

const store = useDatabase();
const { ImageGeneration: Generations, Subscription, User } = store.models;
const DAY = 86_400_000;

let userId: Types.ObjectId;

beforeEach(async () => {
  store.clock.set(START);
  userId = await signUp(store, 'plus');
});

/** One generation a line; the defaults are completed, of one credit, now. */
async function generate(...some: (Partial<ImageGeneration> & { at?: string })[]): Promise<void> {
  for (const { at, ...fields } of some) {
    await Generations.create({
      userId,
      type: 'text-to-image',
      prompt: 'a',
      status: 'completed',
      processingTime: 4,
      ...(at !== undefined && { createdAt: new Date(at) }),
      ...fields,
    });
  }
}

describe("a user's analytics", () => {
  const read = async (request?: AnalyticsRequest) => userAnalytics(store, { _id: userId }, request);

  it('has the shape of the specification, with every day, status and type', async () => {
    await generate({ credits: 2, count: 2 });
    expect(await read({ days: 2 })).toEqual({
      user: {
        id: userId.toHexString(),
        subscriptionTier: 'plus',
        monthlyUsage: 0,
        remainingQuota: 100,
        totalImagesGenerated: 0,
      },
      analytics: {
        days: 2,
        timezone: 'UTC',
        totalGenerations: 1,
        byStatus: { pending: 0, processing: 0, completed: 1, failed: 0, cancelled: 0 },
        byType: {
          'text-to-image': 1,
          'image-to-image': 0,
          inpainting: 0,
          outpainting: 0,
          upscale: 0,
          variation: 0,
        },
        creditsUsed: 2,
        averageProcessingTime: 4,
        successRate: 1,
        dailyGenerations: [
          { date: '2026-03-09', total: 0, completed: 0, failed: 0, credits: 0 },
          { date: '2026-03-10', total: 1, completed: 1, failed: 0, credits: 2 },
        ],
      },
    });
  });

  it('takes thirty days of UTC unless others are asked for', async () => {
    const { analytics } = await read();
    expect(analytics).toMatchObject({ days: 30, timezone: 'UTC', successRate: 0, averageProcessingTime: 0 });
    expect(analytics.dailyGenerations.map(({ date }) => date)).toEqual(
      Array.from({ length: 30 }, (_, index) =>
        new Date(START.getTime() - (29 - index) * DAY).toISOString().slice(0, 10),
      ),
    );
  });

  it('counts credits that were not given back, and the success of what succeeded or failed', async () => {
    await generate(
      { credits: 1, processingTime: 2 },
      { credits: 2, processingTime: 4 },
      { credits: 4, status: 'failed', processingTime: 100 },
      { credits: 8, status: 'cancelled' },
      { credits: 3, status: 'pending' },
      { credits: 5, status: 'processing' },
    );
    const { analytics } = await read();
    expect(analytics).toMatchObject({
      totalGenerations: 6,
      creditsUsed: 11,
      averageProcessingTime: 3,
      successRate: 2 / 3,
    });
  });

  it('leaves deleted generations out', async () => {
    await generate({}, { isDeleted: true });
    expect((await read()).analytics.totalGenerations).toBe(1);
    await rollUp(store);
    await Generations.updateMany({ userId }, { isDeleted: true });
    expect((await read()).analytics.totalGenerations).toBe(0);
  });

  it('puts a generation into the day that its user had, also across a change of offset', async () => {
    store.clock.set(new Date('2026-03-30T10:00:00Z'));
    await generate(
      { at: '2026-03-28T22:59:59Z' },
      { at: '2026-03-28T23:00:00Z' },
      { at: '2026-03-29T21:59:59Z' },
      { at: '2026-03-29T22:00:00Z' },
    );
    const totals = ({ analytics }: Awaited<ReturnType<typeof read>>) =>
      analytics.dailyGenerations.map(({ total }) => total);
    const paris = { days: 3, timezone: 'Europe/Paris' };
    expect(totals(await read(paris))).toEqual([1, 2, 1]);
    await rollUp(store);
    expect(totals(await read(paris))).toEqual([1, 2, 1]);
    expect(totals(await read({ days: 3 }))).toEqual([2, 2, 0]);
  });

  it('reads an account whose period is over as if it had been reset', async () => {
    await User.updateOne({ _id: userId }, { monthlyUsage: 60 });
    expect((await read()).user).toMatchObject({ monthlyUsage: 60, remainingQuota: 40 });
    store.clock.advance(32 * DAY);
    expect((await read()).user).toMatchObject({ monthlyUsage: 0, remainingQuota: 100 });
  });

  it('refuses days and zones that there are not, and users that there are not', async () => {
    for (const days of [0, 366, 1.5, -1, Number.NaN]) {
      await expect(read({ days }), String(days)).rejects.toMatchObject({
        code: 'validation_failed',
        errors: [{ path: 'days' }],
      });
    }
    await expect(read({ timezone: 'Mars/Olympus' })).rejects.toMatchObject({ errors: [{ path: 'timezone' }] });
    await expect(userAnalytics(store, { _id: new Types.ObjectId() })).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe("the system's analytics", () => {
  it('sees at once what was created, by whom, and who is there', async () => {
    const before = await systemAnalytics(store, { days: 3 });
    await generate({}, { status: 'failed' });
    await signUp(store);
    await Subscription.create(
      { userId, tier: 'plus', status: 'active', currentPeriodEnd: new Date(START.getTime() + DAY) },
      {
        userId: await signUp(store, 'pro'),
        tier: 'pro',
        status: 'past_due',
        currentPeriodStart: new Date(START.getTime() - 2 * DAY),
        currentPeriodEnd: START,
      },
      {
        userId: await signUp(store, 'pro'),
        tier: 'pro',
        status: 'past_due',
        currentPeriodStart: new Date(START.getTime() - 4 * DAY),
        currentPeriodEnd: START,
      },
      {
        userId: await signUp(store),
        tier: 'pro',
        status: 'canceled',
        currentPeriodStart: new Date(START.getTime() - 4 * DAY),
        currentPeriodEnd: START,
      },
    );
    const { overview, trends } = await systemAnalytics(store, { days: 3 });
    expect(overview).toMatchObject({
      totalUsers: before.overview.totalUsers + 4,
      activeUsers: before.overview.activeUsers + 1,
      activeSubscriptions: before.overview.activeSubscriptions + 2,
      totalGenerations: before.overview.totalGenerations + 2,
      usersByTier: {
        free: before.overview.usersByTier.free + 2,
        plus: before.overview.usersByTier.plus,
        pro: before.overview.usersByTier.pro + 2,
      },
    });
    expect(trends.dailyTrends.at(-1)).toMatchObject({
      date: '2026-03-10',
      total: (before.trends.dailyTrends.at(-1)?.total ?? 0) + 2,
      newUsers: (before.trends.dailyTrends.at(-1)?.newUsers ?? 0) + 4,
    });
    expect(trends.dailyTrends).toHaveLength(3);
  });

  it('counts a user as active only on days on which they created something', async () => {
    await generate({ at: '2026-03-07T09:00:00Z' });
    const { overview: three } = await systemAnalytics(store, { days: 3 });
    const { overview: four } = await systemAnalytics(store, { days: 4 });
    expect(four.activeUsers).toBe(three.activeUsers + 1);
  });

  it('leaves deleted users out', async () => {
    const before = await systemAnalytics(store, { days: 1 });
    await User.updateOne({ _id: userId }, { isDeleted: true });
    const after = await systemAnalytics(store, { days: 1 });
    expect(after.overview.totalUsers).toBe(before.overview.totalUsers - 1);
    expect(after.trends.dailyTrends[0]?.newUsers).toBe((before.trends.dailyTrends[0]?.newUsers ?? 0) - 1);
  });
});

describe('what it costs', () => {
  /** So many completed generations, evenly over the last 400 days. */
  async function history(owner: Types.ObjectId, size: number): Promise<void> {
    await generate({ userId: owner });
    const template = await generationsOf(store).findOne({ userId: owner, counted: { $exists: false } });
    if (!template) throw new Error('It was just created');
    const step = (400 * DAY) / size;
    const documents = Array.from({ length: size - 1 }, (_, index) => ({
      ...template,
      _id: new Types.ObjectId(),
      createdAt: new Date(START.getTime() - index * step),
    }));
    await generationsOf(store).insertMany(documents);
  }

  it('does not follow the number of generations ever made', async () => {
    const small = await signUp(store);
    const large = await signUp(store);
    await generate({ userId: large });
    await history(small, 2_000);
    await rollUp(store);
    const systemBefore = await examinedDuring(store.connection, () => systemAnalytics(store));
    await history(large, 20_000);
    await rollUp(store);
    const examined = (read: () => Promise<unknown>) => examinedDuring(store.connection, read);
    const ofSmall = await examined(() => userAnalytics(store, { _id: small }));
    expect(ofSmall, 'the user and thirty days').toBe(31);
    expect(await examined(() => userAnalytics(store, { _id: large }))).toBe(ofSmall);
    expect(await examined(() => userStats(store, large))).toBe(1);
    expect(await examined(() => systemStats(store))).toBe(1);
    expect(await examined(() => systemAnalytics(store))).toBe(systemBefore);
  }, 120_000);

  it('of the system examines a document for each day, and index keys alone of those who are there', async () => {
    await history(userId, 500);
    await rollUp(store);
    const days = 30;
    const stored = await usageDaysOf(store).countDocuments({
      userId: null,
      day: { $gt: new Date(START.getTime() - days * DAY), $lte: START },
    });
    expect(stored).toBe(days);
    expect(await examinedDuring(store.connection, () => systemAnalytics(store, { days }))).toBe(days);
    const people = await Promise.all(Array.from({ length: 50 }, () => signUp(store, 'plus')));
    const currentPeriodEnd = new Date(START.getTime() + DAY);
    await Subscription.insertMany(
      people.map((person, nth) => ({
        userId: person,
        tier: 'plus' as const,
        status: nth % 2 === 0 ? ('active' as const) : ('past_due' as const),
        currentPeriodStart: START,
        currentPeriodEnd,
      })),
    );
    await generate(...people.map((person) => ({ userId: person })));
    await rollUp(store);
    expect(await examinedDuring(store.connection, () => systemAnalytics(store, { days }))).toBe(days);
  }, 60_000);

  it.each([
    ['UTC', 0],
    ['Europe/Paris', 8],
    ['America/New_York', 20],
    ['Asia/Kathmandu', 23],
    ['Pacific/Auckland', 48],
  ])('reads in %s at most %i of the 96 quarter-hours of each day', async (timezone, most) => {
    const day = utcDay(START);
    await usageDaysOf(store).deleteMany({ userId: null });
    const slots = Array.from({ length: 96 }, (_, at) => ({ at, ...emptyUsage(), total: 1 }));
    const days = 365;
    await usageDaysOf(store).insertMany(
      Array.from({ length: days + 2 }, (_, back) => ({
        _id: new Types.ObjectId(),
        userId: null,
        day: new Date(day.getTime() - (back - 1) * DAY),
        usage: { ...emptyUsage(), total: 96 },
        slots,
        lastAt: null,
        revision: new Types.ObjectId(),
        due: {},
      })),
    );
    const { result, slots: read } = await slotsReadDuring(store.connection, () =>
      systemAnalytics(store, { days, timezone }),
    );
    expect(read).toBeLessThanOrEqual((days + 1) * most);
    const hours = result.trends.dailyTrends.map(({ total }) => total / 4);
    expect(new Set(hours)).toEqual(new Set(timezone === 'UTC' || timezone === 'Asia/Kathmandu' ? [24] : [23, 24, 25]));
    await usageDaysOf(store).deleteMany({ userId: null });
  });

  it("a user's: 3 commands, and 1 more where something has just changed", async () => {
    const read = () => userAnalytics(store, { _id: userId });
    await rollUp(store);
    expect(await commandsDuring(store.connection, read)).toEqual(['find', 'aggregate', 'find']);
    await generate({});
    expect(await commandsDuring(store.connection, read)).toEqual(['find', 'aggregate', 'find', 'find']);
  });

  it("the system's: 3 commands to see that nothing is to be rolled up, and 6 at once", async () => {
    await rollUp(store);
    const commands = await commandsDuring(store.connection, () => systemAnalytics(store));
    expect(commands.slice(0, 3)).toEqual(['find', 'find', 'find']);
    expect(commands.slice(3).toSorted()).toEqual([...Array.from({ length: 5 }, () => 'aggregate'), 'find']);
  });

  it('statistics over everything: 3 commands for a user, 4 for the system, where nothing is to be rolled up', async () => {
    await rollUp(store);
    expect(await commandsDuring(store.connection, () => userStats(store, userId))).toHaveLength(3);
    expect(await commandsDuring(store.connection, () => systemStats(store))).toHaveLength(4);
  });

  it('a rollup of one change: 17 commands, however many users changed', async () => {
    await rollUp(store);
    await generate({});
    const one = await commandsDuring(store.connection, () => rollUp(store));
    for (let user = 0; user < 5; user += 1) await generate({ userId: await signUp(store) });
    expect(await commandsDuring(store.connection, () => rollUp(store))).toHaveLength(one.length);
    expect(one).toHaveLength(17);
  });
});
