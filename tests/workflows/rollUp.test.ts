import { Types } from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import type { GenerationStatus } from '@/domain/lifecycle.ts';
import { generationsOf, usageDaysOf, usageTotalsOf } from '@/models/collections.ts';
import { rollUp } from '@/models/statements/usage/rollUp.ts';
import { systemStats, userStats } from '@/models/statements/usage/stats.ts';
import { freezeDays, removeUsage } from '@/models/statements/usage/upkeep.ts';
import { systemAnalytics, userAnalytics } from '@/repositories/analytics.ts';
import { START, signUp, type TestStore, useDatabase } from '../support/database.ts';
import { type Fate, Interleaving } from '../support/interleave.ts';
import { everyGeneration, naiveAnalytics, naiveSummary } from '../support/naiveUsage.ts';

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
  const { _id } = await ImageGeneration.create({
    userId: owner,
    type: 'text-to-image',
    prompt: 'a',
    status,
    createdAt,
  });
  return _id;
}

/** Everything that can be read equals a count of everything. */
async function expectExact(): Promise<void> {
  const all = await everyGeneration(store);
  const mine = await everyGeneration(store, userId);
  const { summary, daily } = naiveAnalytics(mine, WEEK, store.clock.now());
  expect((await userAnalytics(store, { _id: userId }, WEEK)).analytics).toEqual({
    ...WEEK,
    ...summary,
    dailyGenerations: daily,
  });
  const system = await systemAnalytics(store, WEEK);
  expect(system.overview).toMatchObject(naiveAnalytics(all, WEEK, store.clock.now()).summary);
  expect(await userStats(store, userId)).toEqual(naiveSummary(mine));
  expect(await systemStats(store)).toEqual(naiveSummary(all));
}

/** Changes a generation between every command of one run and every command of another, and then counts it. */
async function atEveryPair(
  _id: Types.ObjectId,
  run: (first: number, second: number, change: () => Promise<unknown>) => Promise<{ first: boolean; second: boolean }>,
): Promise<void> {
  for (let first = 0; ; first += 1) {
    for (let second = 0; ; second += 1) {
      await ImageGeneration.updateOne({ _id }, { status: 'processing' });
      const reached = await run(first, second, () => ImageGeneration.updateOne({ _id }, { status: 'failed' }));
      if (!reached.first) return;
      expect(await systemStats(store), `${first} ${second}`).toMatchObject({ byStatus: { processing: 0, failed: 1 } });
      if (!reached.second) break;
    }
  }
}

async function uncounted(): Promise<number> {
  return generationsOf(store).countDocuments({ 'counted.done': null });
}

/**
 * Starts a process, lets it send `commands` commands, then `meanwhile` happen, then gives the next command that fate.
 *
 * @returns whether it had so many commands to send
 */
async function interrupted(
  commands: number,
  fate: Fate,
  meanwhile: () => Promise<unknown>,
  run: (own: TestStore) => Promise<unknown> = rollUp,
): Promise<boolean> {
  const interleaving = new Interleaving();
  if (commands === 0) await meanwhile();
  const ended = interleaving.start(() => run(store));
  let sent = 0;
  await interleaving.play(
    () => ({ index: 0, fate: sent === commands ? fate : 'lives' }),
    async () => {
      sent += 1;
      if (sent === commands) await meanwhile();
    },
  );
  await ended;
  return sent >= commands;
}

/**
 * A process stops after `first` commands; then `between` happens; another one stops after `second` commands; the first ends, and
 * after it the other.
 */
async function interlocked(
  first: number,
  second: number,
  between: () => Promise<unknown>,
  run?: (own: TestStore) => Promise<unknown>,
): Promise<{ first: boolean; second: boolean }> {
  const firstEnded = Promise.withResolvers<void>();
  let other: Promise<boolean> = Promise.resolve(false);
  const reached = await interrupted(
    first,
    'lives',
    async () => {
      await between();
      const otherStopped = Promise.withResolvers<void>();
      other = interrupted(second, 'lives', async () => {
        otherStopped.resolve();
        await firstEnded.promise;
      }).finally(otherStopped.resolve);
      await otherStopped.promise;
    },
    run,
  );
  firstEnded.resolve();
  return { first: reached, second: await other };
}

/** How many commands it sends when nobody disturbs it. */
async function commandsOf(run: (own: TestStore) => Promise<unknown>): Promise<number> {
  let commands = 0;
  while (await interrupted(commands + 1, 'lives', async () => {}, run)) commands += 1;
  return commands;
}

/** Does it once for every command that a rollup sends. */
async function atEveryCommand(action: (commands: number) => Promise<boolean>): Promise<void> {
  let commands = 0;
  while (await action(commands)) {
    await expectExact();
    commands += 1;
  }
  expect(commands, 'commands of one rollup').toBeGreaterThan(12);
}

describe('a rollup', () => {
  it('takes up what changed, and nothing twice', async () => {
    await generate('completed', 3);
    await generate('failed');
    expect(await rollUp(store)).toEqual({ generations: 2, userDays: 2 });
    expect(await rollUp(store)).toEqual({ generations: 0, userDays: 0 });
    expect(await uncounted()).toBe(0);
    await expectExact();
  });

  it('takes up a late change, also of a day long past, and a deletion', async () => {
    const [first, second] = [await generate('processing', 5), await generate('completed', 5)];
    await rollUp(store);
    await ImageGeneration.updateOne({ _id: first }, { status: 'failed' });
    await ImageGeneration.updateOne({ _id: second }, { isDeleted: true });
    expect(await uncounted()).toBe(2);
    await rollUp(store);
    await expectExact();
    expect(await systemStats(store)).toMatchObject({ totalGenerations: 1, byStatus: { failed: 1 } });
  });

  it('takes up what was stored past the schema, without any mark', async () => {
    const [_id, other] = [await generate('completed', 1), await generate('completed', 1)];
    const raw = await generationsOf(store).findOne({ _id });
    await generationsOf(store).deleteMany({ _id: { $in: [_id, other] } });
    if (raw) await generationsOf(store).insertOne(raw);
    await generationsOf(store).updateMany({ _id: other }, { $set: { userId } }, { upsert: true });
    await rollUp(store);
    expect(await uncounted(), 'also a document that belongs to no day').toBe(0);
    expect(await systemStats(store)).toMatchObject({ totalGenerations: 1 });
  });

  it('goes through more than one batch holds', async () => {
    const _id = await generate('completed');
    const template = await generationsOf(store).findOne({ _id });
    if (!template) throw new Error('It was just created');
    const many = Array.from({ length: 4_499 }, (_, index) => ({
      ...template,
      _id: new Types.ObjectId(),
      createdAt: new Date(START.getTime() - index * 120_000),
    }));
    await generationsOf(store).insertMany(many);
    const progress: number[] = [];
    await rollUp(store, { onProgress: (generations) => progress.push(generations) });
    expect(progress.at(-1)).toBe(4_500);
    expect(progress.length).toBeGreaterThan(2);
    await expectExact();
  });

  it('may be cut off before or after any of its commands: the next one finishes it', async () => {
    for (const fate of ['before', 'after'] as const) {
      await atEveryCommand(async (commands) => {
        await generate('completed', 2);
        await generate('pending');
        return interrupted(commands, fate, async () => {});
      });
    }
  });

  it('never replaces what is newer by what it computed earlier, wherever it is suspended', async () => {
    const _id = await generate('processing');
    await atEveryCommand(async (commands) => {
      await ImageGeneration.updateOne({ _id }, { status: 'processing' });
      await generate('completed', 2);
      const reached = await interrupted(commands, 'lives', async () => {
        await ImageGeneration.updateOne({ _id }, { status: 'completed' });
        await rollUp(store);
      });
      expect(await uncounted()).toBe(0);
      return reached;
    });
  });

  it('misses no change that comes while it runs', async () => {
    const _id = await generate('processing');
    await atEveryCommand(async (commands) => {
      await ImageGeneration.updateOne({ _id }, { status: 'processing' });
      return interrupted(commands, 'lives', () => ImageGeneration.updateOne({ _id }, { status: 'failed' }));
    });
  });

  it('counts a change once, whichever of two runs stops where and for how long', async () => {
    const _id = await generate('processing');
    await atEveryPair(_id, (first, second, change) => interlocked(first, second, change));
  }, 120_000);

  it('counts a change once, also when another run dies beside it', async () => {
    const _id = await generate('processing');
    await atEveryPair(_id, async (first, second, change) => {
      const reached = { first: false, second: false };
      reached.first = await interrupted(first, 'lives', async () => {
        await change();
        reached.second = await interrupted(second, 'before', async () => {});
      });
      return reached;
    });
  }, 120_000);

  it('may run many times at once', async () => {
    for (let day = 0; day < 6; day += 1) await generate('completed', day, day % 2 ? await signUp(store) : userId);
    await Promise.all(Array.from({ length: 6 }, () => rollUp(store)));
    expect(await uncounted()).toBe(0);
    await expectExact();
  });
});

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
    const freeze = (own: TestStore) => freezeDays(own, store.clock.now());
    for (let commands = 0, going = true; going; commands += 1) {
      const _id = await generate('completed', 5);
      await rollUp(store);
      const freezing = await commandsOf(freeze);
      await usageDaysOf(store).updateMany({}, { $set: { frozen: false } });
      // The freeze has rolled up, and is about to mark the days, when something changes and another run takes that up.
      const change = () => ImageGeneration.updateOne({ _id }, { style: 'oil' });
      const { second } = await interlocked(freezing - 2, commands, change, async (own) => {
        await freeze(own);
        await generationsOf(store).deleteMany({});
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
