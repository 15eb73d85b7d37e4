import fc from 'fast-check';
import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { IMAGE_GENERATION_TYPES } from '@/domain/generation.ts';
import { GENERATION_STATUSES } from '@/domain/lifecycle.ts';
import { generationsOf, usageDaysOf, usageTotalsOf, usersOf } from '@/models/collections.ts';
import { rollUp } from '@/models/statements/usage/rollUp.ts';
import { systemStats, userStats } from '@/models/statements/usage/stats.ts';
import { systemAnalytics, userAnalytics } from '@/repositories/analytics.ts';
import { signUp, useDatabase } from '../support/database.ts';
import { Crash, FAULTS, type Fate, Interleaving } from '../support/interleave.ts';
import { everyGeneration, localDate, naiveAnalytics, naiveSummary } from '../support/naiveUsage.ts';

const store = useDatabase();
const RUNS = Number(process.env['INTERLEAVING_RUNS'] ?? 30);
const USERS = 2;
const HOUR = 3_600_000;

/** Moments just after a change of offset somewhere, at the end of a month, and in the middle of nowhere. */
const moments = fc.constantFrom(
  '2026-03-30T05:10:00Z',
  '2026-11-02T09:00:00Z',
  '2026-04-05T15:20:00Z',
  '2026-03-01T00:05:00Z',
  '2026-06-17T18:00:00Z',
);
const zones = fc.constantFrom(
  'UTC',
  'Europe/Paris',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Kiritimati',
  'Pacific/Pago_Pago',
  'America/St_Johns',
);
const requests = fc.record({ days: fc.integer({ min: 1, max: 6 }), timezone: zones });

const states = fc.record({
  status: fc.constantFrom(...GENERATION_STATUSES),
  /** Quarters can be added in any order without an error of rounding. */
  processingTime: fc.integer({ min: 0, max: 400 }).map((quarters) => quarters / 4),
  isDeleted: fc.constantFrom(false, false, false, true),
});
const actions = fc.record({
  kind: fc.constantFrom('create', 'change', 'change', 'change', 'rollUp', 'rollUp', 'rollUpOne'),
  user: fc.nat({ max: USERS - 1 }),
  pick: fc.nat(),
  state: states,
  type: fc.constantFrom(...IMAGE_GENERATION_TYPES),
  credits: fc.integer({ min: 1, max: 8 }),
  /** Quarter-hours before now: usually today, up to five days. */
  age: fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 5 * 96 })),
});
type Action = typeof actions extends fc.Arbitrary<infer T> ? T : never;

const choices = fc.record({
  index: fc.nat(),
  fate: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Fate>('lives') },
    { weight: 2, arbitrary: fc.constantFrom<Fate>(...FAULTS) },
  ),
});

function generationOf({ state, type, credits, age }: Action, userId: Types.ObjectId, now: Date) {
  const createdAt = new Date(now.getTime() - age * (HOUR / 4) - (age % 7));
  return new store.models.ImageGeneration({
    userId,
    type,
    credits,
    prompt: 'a',
    sourceImageUrl: 'https://example.com/a.png',
    ...state,
    createdAt,
  }).toObject();
}

async function act(action: Action, users: readonly Types.ObjectId[]): Promise<unknown> {
  const userId = users[action.user] ?? new Types.ObjectId();
  switch (action.kind) {
    case 'create':
      return generationsOf(store).insertOne(generationOf(action, userId, store.clock.now()));
    case 'change': {
      const mine = await generationsOf(store).find({ userId }).sort({ _id: 1 }).toArray();
      const chosen = mine[action.pick % Math.max(1, mine.length)];
      if (!chosen) return undefined;
      return generationsOf(store).updateMany({ _id: chosen._id }, { $set: action.state, $unset: { counted: 1 } });
    }
    case 'rollUp':
      return rollUp(store);
    case 'rollUpOne':
      return rollUp(store, { userId });
  }
}

async function checkUsers(
  users: readonly Types.ObjectId[],
  request: { days: number; timezone: string },
): Promise<void> {
  const now = store.clock.now();
  for (const _id of users) {
    const { summary, daily } = naiveAnalytics(await everyGeneration(store, _id), request, now);
    const { analytics } = await userAnalytics(store, { _id }, request);
    expect(analytics).toEqual({ ...request, ...summary, dailyGenerations: daily });
  }
}

async function checkAll(users: readonly Types.ObjectId[], request: { days: number; timezone: string }): Promise<void> {
  const now = store.clock.now();
  const all = await everyGeneration(store);
  const { summary, daily } = naiveAnalytics(all, request, now);
  const { overview, trends } = await systemAnalytics(store, request);
  const dates = daily.map(({ date }) => date);
  const active = all.filter(({ createdAt }) => dates.includes(localDate(createdAt, request.timezone)));
  expect(overview).toEqual({
    ...summary,
    totalUsers: USERS,
    usersByTier: { free: USERS, plus: 0, pro: 0 },
    activeSubscriptions: 0,
    activeUsers: new Set(active.map(({ userId }) => userId.toHexString())).size,
  });
  expect(trends.dailyTrends).toEqual(
    daily.map((day) => ({ ...day, newUsers: day.date === localDate(now, request.timezone) ? USERS : 0 })),
  );
  expect(await systemStats(store)).toEqual(naiveSummary(all));
  for (const _id of users) expect(await userStats(store, _id)).toEqual(naiveSummary(await everyGeneration(store, _id)));
}

/** A process that died, or heard of the database what a fault makes it say. */
function isFault(reason: unknown): boolean {
  return reason instanceof Crash || (reason instanceof Error && reason.name.startsWith('Mongo'));
}

describe('rollups', () => {
  it(`give what a count of everything gives, in any interleaving, with faults anywhere (${RUNS} histories)`, async () => {
    await fc.assert(
      fc.asyncProperty(
        moments,
        fc.array(actions, { minLength: 1, maxLength: 4 }),
        fc.array(actions, { minLength: 3, maxLength: 10 }),
        requests,
        fc.infiniteStream(choices),
        async (moment, before, script, request, stream) => {
          const all = [usersOf(store), generationsOf(store), usageDaysOf(store), usageTotalsOf(store)];
          await Promise.all(all.map((collection) => collection.deleteMany({})));
          store.clock.set(new Date(moment));
          const users = await Promise.all(Array.from({ length: USERS }, () => signUp(store)));
          for (const action of before) await act({ ...action, kind: 'create' }, users);
          const interleaving = new Interleaving();
          const ends = script.map((action) => interleaving.start(() => act(action, users)));
          await interleaving.play(
            () => stream.next().value,
            () => checkUsers(users, request),
          );
          for (const end of await Promise.all(ends)) {
            if (end.status === 'rejected' && !isFault(end.reason)) throw end.reason;
          }
          await checkAll(users, request);
          await checkAll(users, { days: 6, timezone: 'UTC' });
        },
      ),
      { numRuns: RUNS, ...(process.env['FC_SEED'] && { seed: Number(process.env['FC_SEED']) }) },
    );
  }, 600_000);
});
