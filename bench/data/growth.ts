import type { Types } from 'mongoose';
import { sowHistory } from '../../seeds/bulk/sow.ts';
import { BULK_PREFIX } from '../../seeds/people.ts';
import { disconnectDB } from '../../src/config/database.ts';
import { generationsOf, usersOf } from '../../src/models/collections.ts';
import { userStats } from '../../src/models/statements/usage/stats.ts';
import { systemAnalytics, userAnalytics } from '../../src/repositories/analytics.ts';
import { listGenerations } from '../../src/repositories/generations.ts';
import { databaseUtils } from '../../src/utils/database.ts';
import { plansOf, queriesDuring } from '../../tests/support/queries.ts';
import { type BenchOptions, FEW_GENERATIONS } from '../options.ts';
import { percentile, type Row, rounded } from '../table.ts';
import { type BenchStore, createDatabase, openStore } from './database.ts';

const REPEATS = 31;
const PAGE = 20;
const DAYS = 30;

type Questions = Readonly<Record<string, () => Promise<unknown>>>;

interface Cost {
  commands: number;
  /** That the database examines, as it explains each command. */
  documents: number;
  keys: number;
  ms: number;
}

/** The same questions about the same busy user, among few and among many generations of others. */
export async function growth({ generations }: BenchOptions): Promise<Row[]> {
  const database = await createDatabase();
  try {
    const store = await openStore(database, { monitorCommands: true });
    await sowHistory(store, FEW_GENERATIONS);
    const questions = questionsAbout(store, await busiest(store));
    const few = await costs(store, questions);
    await sowHistory(store, generations);
    const many = await costs(store, questions);
    await disconnectDB(store.connection);
    return Object.keys(questions).map((question) => ({
      question,
      ...columns(FEW_GENERATIONS, few.get(question)),
      ...columns(generations, many.get(question)),
    }));
  } finally {
    await database.remove();
  }
}

function questionsAbout(store: BenchStore, userId: Types.ObjectId): Questions {
  const utils = databaseUtils(store, async () => {});
  return {
    'quota check': () => utils.checkUserQuota(userId),
    [`list of ${PAGE} generations`]: () => listGenerations(store, userId, { limit: PAGE }),
    'statistics of a user': () => userStats(store, userId),
    [`analytics of a user, ${DAYS} days`]: () => userAnalytics(store, { _id: userId }, { days: DAYS }),
    [`analytics of the system, ${DAYS} days`]: () => systemAnalytics(store, { days: DAYS }),
  };
}

/** Who has most generations: whatever grows with a user's own history shows most. */
async function busiest(store: BenchStore): Promise<Types.ObjectId> {
  const [most] = await generationsOf(store)
    .aggregate<{ _id: Types.ObjectId }>([
      { $group: { _id: '$userId', generations: { $sum: 1 } } },
      { $sort: { generations: -1, _id: 1 } },
      { $limit: 1 },
    ])
    .toArray();
  const people = await usersOf(store).countDocuments({ clerkUserId: { $regex: `^${BULK_PREFIX}` } });
  if (!most || people === 0) throw new Error('The history is empty');
  return most._id;
}

async function costs({ connection }: BenchStore, questions: Questions): Promise<Map<string, Cost>> {
  const found = new Map<string, Cost>();
  for (const [name, ask] of Object.entries(questions)) {
    // The first answer may still take up what has changed.
    await ask();
    const { commands } = await queriesDuring(connection, [], ask);
    const plans = await plansOf(connection, commands);
    const times: number[] = [];
    for (let repeat = 0; repeat < REPEATS; repeat += 1) {
      const began = performance.now();
      await ask();
      times.push(performance.now() - began);
    }
    found.set(name, {
      commands: commands.length,
      documents: plans.reduce((sum, { examined }) => sum + examined, 0),
      keys: plans.reduce((sum, { keys }) => sum + keys, 0),
      ms: percentile(times, 0.5),
    });
  }
  return found;
}

function columns(generations: number, cost: Cost | undefined): Row {
  if (!cost) throw new Error('A question was not asked');
  const among = `among ${generations.toLocaleString('en')}`;
  return {
    [`commands ${among}`]: cost.commands,
    [`documents ${among}`]: cost.documents,
    [`keys ${among}`]: cost.keys,
    [`ms ${among}`]: rounded(cost.ms, 2),
  };
}
