import { describe, expect, it } from 'vitest';
import { generationsOf, usersOf } from '@/models/collections.ts';
import { systemStats } from '@/models/statements/usage/stats.ts';
import { systemAnalytics } from '@/repositories/analytics.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { bulkHistory } from '../../seeds/bulk/history.ts';
import { bulkPerson } from '../../seeds/bulk/person.ts';
import { sowHistory } from '../../seeds/bulk/sow.ts';
import { progressBar } from '../../seeds/progress.ts';
import { cleanup, seed } from '../../seeds/seed.ts';
import { contextOf } from '../support/context.ts';
import { signUp, useDatabase } from '../support/database.ts';
import { everyGeneration, naiveAnalytics, naiveSummary } from '../support/naiveUsage.ts';

const store = useDatabase();
const { ImageGeneration, LedgerEntry, Subscription, User } = store.models;
const SIZE = 3_000;

async function stored() {
  const everything = { withDeleted: true };
  return {
    users: await User.countDocuments().setOptions(everything),
    subscriptions: await Subscription.countDocuments().setOptions(everything),
    generations: await ImageGeneration.countDocuments().setOptions(everything),
    ledgerEntries: await LedgerEntry.countDocuments(),
  };
}

describe('the large history', () => {
  it('has just as many generations as were asked for, and an account that balances for everybody', async () => {
    const made = await sowHistory(store, SIZE);
    expect(made.generations).toBe(SIZE);
    expect(await stored()).toEqual(made);
    expect(await verifyLedger(store)).toEqual({ usersChecked: made.users, violations: [] });
  });

  it('has every status and type, and all tiers with their subscriptions', async () => {
    const { byStatus, byType } = naiveSummary(await everyGeneration(store));
    for (const [word, number] of Object.entries({ ...byStatus, ...byType })) expect(number, word).toBeGreaterThan(0);
    expect((await User.distinct('subscriptionTier')).toSorted()).toEqual(['free', 'plus', 'pro']);
    const paying = await User.find({ subscriptionTier: { $ne: 'free' } }).lean();
    for (const { _id, quotaResetDate } of paying) {
      const subscription = await Subscription.findOne({ userId: _id, status: 'active' }).orFail();
      expect(subscription.currentPeriodEnd).toEqual(quotaResetDate);
      expect(quotaResetDate > store.clock.now()).toBe(true);
    }
  });

  it('is what the models would have stored', async () => {
    for (const generation of await generationsOf(store).find().limit(300).toArray()) {
      await new ImageGeneration(generation).validate();
    }
    for (const entry of await LedgerEntry.find().limit(300)) await entry.validate();
    for (const user of await User.find()) await user.validate();
  });

  it('keeps everybody within their quota in every period', () => {
    for (const number of [1, 2, 5]) {
      const { ledger, user } = bulkHistory(bulkPerson(number), store.clock.now(), SIZE);
      expect(ledger.length).toBeGreaterThan(10);
      for (const { balance } of ledger) expect(balance).toBeGreaterThanOrEqual(0);
      const times = ledger.map(({ at }) => at.getTime());
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      const resets = ledger.filter(({ kind }) => kind === 'reset').map(({ period }) => period);
      expect(resets).toEqual(Array.from({ length: resets.length }, (_, index) => index + 2));
      expect(user.quotaResetDate > store.clock.now()).toBe(true);
    }
  });

  it('follows the hours of the day where people live, over a year', () => {
    const now = store.clock.now();
    const times = Array.from({ length: 40 }, (_, index) => bulkPerson(index + 1)).flatMap((person) =>
      bulkHistory(person, now, SIZE).generations.map(({ createdAt }) => ({
        age: now.getTime() - createdAt.getTime(),
        hour: new Date(createdAt.getTime() + person.offset * 3_600_000).getUTCHours(),
      })),
    );
    const between = (from: number, to: number) => times.filter(({ hour }) => hour >= from && hour < to).length;
    expect(between(18, 24)).toBeGreaterThan(3 * between(0, 6));
    expect(Math.max(...times.map(({ age }) => age))).toBeGreaterThan(300 * 86_400_000);
    expect(Math.max(...times.map(({ age }) => age))).toBeLessThan(366 * 86_400_000);
  });

  it('has its rollups', async () => {
    expect(await generationsOf(store).countDocuments({ 'counted.done': null })).toBe(0);
    const all = await everyGeneration(store);
    const { averageProcessingTime, ...counts } = naiveSummary(all);
    const stats = await systemStats(store);
    expect(stats).toMatchObject(counts);
    expect(stats.averageProcessingTime).toBeCloseTo(averageProcessingTime, 6);
    const year = { days: 365, timezone: 'Asia/Kathmandu' };
    const { trends } = await systemAnalytics(store, year);
    expect(trends.dailyTrends).toMatchObject(naiveAnalytics(all, year, store.clock.now()).daily);
  });

  it('makes no doubles: the same number again does nothing, a larger one makes the rest', async () => {
    const before = await stored();
    expect(await sowHistory(store, SIZE)).toMatchObject({ users: 0, generations: 0 });
    expect(await sowHistory(store, SIZE - 500)).toMatchObject({ users: 0, generations: 0 });
    expect(await stored()).toEqual(before);
    store.clock.advance(5 * 86_400_000);
    expect(await sowHistory(store, SIZE + 700)).toMatchObject({ generations: 700 });
    expect((await stored()).generations).toBe(SIZE + 700);
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  });

  it('is finished by the next run where one was cut off', async () => {
    const complete = await stored();
    // Everything of the last person but the person had been stored.
    const numbers = (await usersOf(store).find().toArray()).map(({ clerkUserId }) =>
      Number(clerkUserId.split('_').at(-1)),
    );
    await usersOf(store).deleteMany({ clerkUserId: `user_test_bulk_${Math.max(...numbers)}` });
    store.clock.advance(86_400_000);
    await sowHistory(store, SIZE + 700);
    expect((await stored()).generations).toBe(complete.generations);
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
    const { totalGenerations } = await systemStats(store);
    expect(totalGenerations).toBe((await everyGeneration(store)).length);
  });

  it('is removed with all that was counted of it, and nothing else', async () => {
    const developer = await signUp(store);
    await ImageGeneration.create({ userId: developer, type: 'text-to-image', prompt: 'Mine' });
    await seed(contextOf(store));
    await cleanup(store);
    expect(await stored()).toEqual({ users: 1, subscriptions: 0, generations: 1, ledgerEntries: 0 });
    expect(await systemStats(store)).toMatchObject({ totalGenerations: 1 });
    expect((await systemAnalytics(store)).overview).toMatchObject({ totalUsers: 1, activeUsers: 1 });
  });
});

describe('the progress', () => {
  function shown(isTTY: boolean): string {
    let text = '';
    const show = progressBar('generations', 1000, { isTTY, write: (more) => (text += more) });
    for (const done of [0, 99, 100, 150, 555, 1000, 1000]) show(done);
    return text;
  }

  it('is a line for each tenth where nobody watches', () => {
    const lines = shown(false).trimEnd().split('\n');
    expect(lines.map((line) => line.split(' of ')[0])).toEqual(['10 %', '55 %', '100 %']);
  });

  it('is a bar on a terminal, and leaves the line when it is full', () => {
    const text = shown(true);
    expect(text).toContain('\r[################..............] 55 % of 1,000 generations');
    expect(text.endsWith('\n')).toBe(true);
    expect(text.match(/\n/g)).toHaveLength(1);
  });
});
