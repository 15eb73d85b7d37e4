import fc from 'fast-check';
import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { addMonths, type Period, periodAt } from '@/domain/periods.ts';
import { usersOf } from '@/models/collections.ts';
import { post } from '@/models/statements/accounts.ts';
import { rolloverStatement } from '@/models/statements/posting/periods.ts';
import { resetDueQuotas } from '@/repositories/accounts.ts';
import { settle } from '@/repositories/settlement.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const DAY = 24 * 60 * 60 * 1000;
const at = (text: string) => new Date(text);

/** What the account has used, and how often it was reset. */
async function account(user: Types.ObjectId) {
  const { monthlyUsage, periodNumber, quotaResetDate, periodStart } = await readUser(store, user);
  return { monthlyUsage, resets: periodNumber - 1, quotaResetDate, periodStart };
}

const charge = (user: Types.ObjectId, credits = 1) =>
  post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'charge', credits });

describe('the statement of the database', () => {
  it('begins the months of every sign-up day of a common and a leap year as the rule does, for ten years', async () => {
    const first = at('2027-01-01T09:30:00Z').getTime();
    const days = Array.from({ length: 365 + 366 }, (_, index) => new Date(first + index * DAY));
    store.clock.set(new Date(first));
    await store.models.User.insertMany(
      days.map((quotaAnchor, index) => ({
        clerkUserId: `calendar_${index}`,
        quotaAnchor,
        quotaResetDate: addMonths(quotaAnchor, 1),
      })),
    );
    const everyone = { clerkUserId: /^calendar_/ };
    for (let month = 1; month <= 120; month += 1) {
      // The last day of signing up is two years after the first one.
      const now = new Date(first + 2 * 366 * DAY + month * 30.44 * DAY);
      const statement = rolloverStatement({ id: new Types.ObjectId(), kind: 'reset' }, now);
      await usersOf(store).updateMany(everyone, [...statement, { $set: { openEntries: {} } }]);
      const read = { projection: { quotaAnchor: 1, periodStart: 1, quotaResetDate: 1 } };
      const users = await usersOf(store).find(everyone, read).toArray();
      const wrong = users.filter(({ quotaAnchor, periodStart, quotaResetDate }) => {
        const { start, end } = periodAt(quotaAnchor, now);
        return periodStart.getTime() !== start.getTime() || quotaResetDate.getTime() !== end.getTime();
      });
      expect(wrong).toEqual([]);
      expect(users).toHaveLength(731);
    }
    await usersOf(store).deleteMany(everyone);
  }, 120_000);
});

describe('a clock', () => {
  it('that jumps over many months resets once', async () => {
    const user = await signUp(store);
    await charge(user, 9);
    store.clock.advance(500 * DAY);
    await charge(user, 3);
    expect(await account(user)).toMatchObject({ monthlyUsage: 3, resets: 1 });
  });

  it('that is set back gives no month twice', async () => {
    const user = await signUp(store);
    const { quotaResetDate } = await account(user);
    store.clock.set(quotaResetDate);
    await charge(user, 4);
    store.clock.advance(-20 * DAY);
    await charge(user, 4);
    store.clock.set(quotaResetDate);
    await charge(user, 1);
    expect(await account(user)).toMatchObject({ monthlyUsage: 9, resets: 1 });
  });

  it('that was read long before the end of a subscription was written gives no month twice', async () => {
    const user = await signUp(store);
    const { quotaResetDate } = await account(user);
    const start = new Date(quotaResetDate.getTime() + 1000);
    const tell = (sum: number, paidPeriod: Period | null) =>
      post(store, { _id: user }, { ...terms, id: new Types.ObjectId(), paidPeriod, version: { sum, seen: `${sum}` } });
    const terms = { kind: 'terms', tier: 'free' } as const;
    store.clock.set(start);
    await tell(1, { start, end: addMonths(start, 1) });
    const now = addMonths(start, 2);
    store.clock.set(now);
    await charge(user, 4);
    const before = await account(user);
    expect(before.periodStart).toEqual(now);
    store.clock.advance(-DAY);
    await tell(2, null);
    store.clock.set(now);
    await charge(user, 1);
    expect(await account(user)).toEqual({
      ...before,
      monthlyUsage: 5,
      quotaResetDate: addMonths(quotaResetDate, 3),
    });
  });

  it('that is behind moves no period back by a reset by hand', async () => {
    const user = await signUp(store);
    const { quotaResetDate } = await account(user);
    store.clock.set(quotaResetDate);
    await charge(user, 4);
    store.clock.advance(-DAY);
    await post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'reset' });
    expect(await account(user)).toMatchObject({ monthlyUsage: 0, resets: 2, periodStart: quotaResetDate });
  });
});

describe('a month that is due', () => {
  it('begins once, however many charges and jobs come at that instant', async () => {
    const user = await signUp(store, 'pro');
    await charge(user, 700);
    store.clock.set((await account(user)).quotaResetDate);
    await Promise.all([
      ...Array.from({ length: 20 }, () => charge(user, 2)),
      ...Array.from({ length: 5 }, () => resetDueQuotas(store)),
      ...Array.from({ length: 20 }, () => charge(user, 2)),
    ]);
    expect(await account(user)).toMatchObject({ monthlyUsage: 80, resets: 1 });
    await settle(store, [user]);
    expect(await store.models.LedgerEntry.countDocuments({ userId: user, kind: 'reset' })).toBe(1);
  });
});

describe('paid months', () => {
  /** News of the period with that number, and when it arrives: days after the period began. */
  const delivery = fc.record({ period: fc.nat({ max: 4 }), daysLate: fc.integer({ min: 0, max: 25 }) });

  it('each reset the quota at most once, however late, doubled and out of order their news, and end at the newest', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(delivery, { minLength: 1, maxLength: 14 }), async (deliveries) => {
        const began = at('2027-01-31T12:00:00Z');
        store.clock.set(new Date(began.getTime() - 3 * DAY));
        const user = await signUp(store);
        const periods = Array.from({ length: 5 }, (_, index) => ({
          start: addMonths(began, index),
          end: addMonths(began, index + 1),
        }));
        const arrivals = deliveries
          .map(({ period, daysLate }) => ({ period, when: (periods[period]?.start.getTime() ?? 0) + daysLate * DAY }))
          .sort((a, b) => a.when - b.when);
        let newest = -1;
        for (const { period, when } of arrivals) {
          store.clock.set(new Date(when));
          await charge(user);
          const before = await account(user);
          const version = { sum: period + 1, seen: String(period) };
          const news = { kind: 'terms', tier: 'pro', paidPeriod: periods[period], version } as const;
          await post(store, { _id: user }, { id: new Types.ObjectId(), ...news });
          const after = await account(user);
          // Only news of a period that nobody has begun yet resets.
          const isNew = period > newest && (periods[period]?.start ?? began) > before.periodStart;
          expect(after.resets - before.resets).toBe(isNew ? 1 : 0);
          expect(after.monthlyUsage).toBe(isNew ? 0 : before.monthlyUsage);
          newest = Math.max(newest, period);
          if (period === newest) expect(after.quotaResetDate >= (periods[newest]?.end ?? began)).toBe(true);
        }
        const { resets } = await account(user);
        // Every reset is of another month: paid ones, and those that the clock began while there was no news.
        expect(resets).toBeLessThanOrEqual(6);
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  it('of which no news is late reset once each, whether the clock or the news comes first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), async (clockFirst) => {
        const began = at('2027-01-15T12:00:00Z');
        store.clock.set(new Date(began.getTime() - 3 * DAY));
        const user = await signUp(store);
        for (const [index, isClockFirst] of clockFirst.entries()) {
          const paidPeriod = { start: addMonths(began, index), end: addMonths(began, index + 1) };
          const version = { sum: index + 1, seen: String(index) };
          const tell = () =>
            post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'terms', tier: 'pro', paidPeriod, version });
          store.clock.set(paidPeriod.start);
          if (isClockFirst) await charge(user, 3);
          await tell();
          await tell();
          if (!isClockFirst) await charge(user, 3);
          // The first paid period begins in the middle of a free one: what was taken before its news was free.
          const expected = index === 0 && isClockFirst ? 0 : 3;
          expect(await account(user)).toMatchObject({ monthlyUsage: expected, resets: index + 1 });
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('begin by what has been followed last: older terms move neither tier nor dates, nor begin a period', async () => {
    const began = at('2027-01-15T12:00:00Z');
    store.clock.set(new Date(began.getTime() - 3 * DAY));
    const user = await signUp(store);
    const tell = async (sum: number, tier: 'plus' | 'pro', months: number) => {
      const paidPeriod = { start: addMonths(began, months), end: addMonths(began, months + 1) };
      const version = { sum, seen: String(sum) };
      const posting = { id: new Types.ObjectId(), kind: 'terms', tier, paidPeriod, version } as const;
      return (await post(store, { _id: user }, posting)).result;
    };
    store.clock.set(began);
    expect(await tell(3, 'pro', 0)).toBe('posted');
    await charge(user, 5);
    const before = await readUser(store, user);
    expect([await tell(3, 'plus', 0), await tell(2, 'plus', 1)]).toEqual(['refused', 'refused']);
    const { subscriptionTier, quotaResetDate, periodNumber, monthlyUsage } = await readUser(store, user);
    expect({ subscriptionTier, quotaResetDate, periodNumber, monthlyUsage }).toEqual({
      subscriptionTier: 'pro',
      quotaResetDate: before.quotaResetDate,
      periodNumber: before.periodNumber,
      monthlyUsage: 5,
    });
  });

  it('that the account has left behind move no date, however new their news is', async () => {
    const began = at('2027-01-15T12:00:00Z');
    const paidPeriod = { start: began, end: addMonths(began, 1) };
    const tell = (sum: number) =>
      post(store, { _id: user }, { id: new Types.ObjectId(), ...terms, version: { sum, seen: String(sum) } });
    const terms = { kind: 'terms', tier: 'pro', paidPeriod } as const;
    store.clock.set(began);
    const user = await signUp(store);
    await tell(1);
    // The clock begins the next month before anything is heard of it.
    store.clock.set(new Date(paidPeriod.end.getTime() + DAY));
    await charge(user, 7);
    const { quotaResetDate } = await readUser(store, user);
    expect(await tell(2)).toMatchObject({ result: 'posted' });
    await charge(user, 1);
    expect(await readUser(store, user)).toMatchObject({ monthlyUsage: 8, quotaResetDate });
  });
});
