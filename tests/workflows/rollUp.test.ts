import { Types } from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import type { GenerationStatus } from '@/domain/lifecycle.ts';
import { generationsOf, usageDaysOf, usageTotalsOf } from '@/models/collections.ts';
import { rollUp } from '@/models/statements/usage/rollUp.ts';
import { systemStats, userStats } from '@/models/statements/usage/stats.ts';
import { systemAnalytics, userAnalytics } from '@/repositories/analytics.ts';
import { START, signUp, useDatabase } from '../support/database.ts';
import { FAULTS } from '../support/interleave.ts';
import { interlocked, interrupted, type Reached } from '../support/interrupt.ts';
import { everyGeneration, naiveAnalytics, naiveSummary } from '../support/naiveUsage.ts';

const store = useDatabase();
const { ImageGeneration } = store.models;
const DAY = 86_400_000;
const WEEK = { days: 7, timezone: 'UTC' };

const run = () => rollUp(store);

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
  run: (first: number, second: number, change: () => Promise<unknown>) => Promise<Reached>,
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

  it('may die or lose its connection at any of its commands: the next one finishes it', async () => {
    for (const fate of FAULTS) {
      await atEveryCommand(async (commands) => {
        await generate('completed', 2);
        await generate('pending');
        return interrupted(run, commands, fate);
      });
    }
  });

  it('never replaces what is newer by what it computed earlier, wherever it is suspended', async () => {
    const _id = await generate('processing');
    await atEveryCommand(async (commands) => {
      await ImageGeneration.updateOne({ _id }, { status: 'processing' });
      await generate('completed', 2);
      const reached = await interrupted(run, commands, 'lives', async () => {
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
      return interrupted(run, commands, 'lives', () => ImageGeneration.updateOne({ _id }, { status: 'failed' }));
    });
  });

  it('counts a change once, whichever of two runs stops where and for how long', async () => {
    const _id = await generate('processing');
    await atEveryPair(_id, (first, second, change) =>
      interlocked({ run, commands: first }, change, { run, commands: second }),
    );
  }, 120_000);

  it('counts a change once, also when another run dies beside it', async () => {
    const _id = await generate('processing');
    await atEveryPair(_id, async (first, second, change) => {
      const reached = { first: false, second: false };
      reached.first = await interrupted(run, first, 'lives', async () => {
        await change();
        reached.second = await interrupted(run, second, 'before');
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
