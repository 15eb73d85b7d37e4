import { EJSON } from 'bson';
import { type Collection, type Document, Double, Long, ObjectId } from 'mongodb';
import { beforeEach, describe, expect, test } from 'vitest';
import { Random, seedOf } from './support/random.ts';
import { useServer } from './support/server.ts';

const server = useServer();
let people: Collection<Document>;

const DAY = 86_400_000;

beforeEach(async () => {
  people = server().freshDb().collection('people');
  await people.createIndex({ gone: 1, since: -1, tier: 1 });
  await people.insertMany(
    Array.from({ length: 300 }, (_, i) => ({
      gone: i % 10 === 0,
      since: new Date(i * DAY),
      tier: i % 3 === 0 ? 'free' : 'paid',
      n: i,
    })),
  );
});

/** The stages from the outside in, and what they examined. */
async function cost(command: Document): Promise<{ stages: string[]; keys: number; docs: number }> {
  const { queryPlanner, executionStats } = await people.db.command({ explain: command, verbosity: 'executionStats' });
  const stages: string[] = [];
  for (let plan = queryPlanner.winningPlan; plan; plan = plan.inputStage) stages.push(plan.stage);
  return { stages, keys: executionStats.totalKeysExamined, docs: executionStats.totalDocsExamined };
}

const find = (filter: Document, projection: Document) => cost({ find: 'people', filter, projection });
const count = (query: Document) => cost({ count: 'people', query });
const aggregate = (...pipeline: Document[]) => cost({ aggregate: 'people', pipeline, cursor: {} });

describe('a covered query (core/query-optimization) reads keys and no document', () => {
  test('that counts: one range is a COUNT_SCAN', async () => {
    expect(await count({ gone: true })).toEqual({ stages: ['COUNT', 'COUNT_SCAN'], keys: 30, docs: 0 });
    expect(await count({ gone: false, since: { $gte: new Date(200 * DAY) } })).toEqual({
      stages: ['COUNT', 'COUNT_SCAN'],
      keys: 90,
      docs: 0,
    });
    expect(await people.countDocuments({ gone: true })).toBe(30);
    expect(await people.countDocuments({ gone: false, since: { $gte: new Date(200 * DAY) } })).toBe(90);
  });

  test('that counts what several ranges hold, or what only some keys of a range match', async () => {
    expect(await count({ gone: { $in: [true, false] } })).toEqual({ stages: ['COUNT', 'IXSCAN'], keys: 300, docs: 0 });
    expect(await count({ gone: false, tier: 'free' })).toEqual({ stages: ['COUNT', 'IXSCAN'], keys: 270, docs: 0 });
    expect(await people.countDocuments({ gone: false, tier: 'free' })).toBe(90);
  });

  test('that groups, counts and sums by fields of the index', async () => {
    const match = { $match: { gone: false } };
    const group = { $group: { _id: '$tier', n: { $sum: 1 }, newest: { $max: '$since' } } };
    expect(await aggregate(match, group)).toEqual({ stages: ['PROJECTION_COVERED', 'IXSCAN'], keys: 270, docs: 0 });
    expect(await people.aggregate([match, group, { $sort: { _id: 1 } }]).toArray()).toEqual([
      { _id: 'free', n: 90, newest: new Date(297 * DAY) },
      { _id: 'paid', n: 180, newest: new Date(299 * DAY) },
    ]);
    const bucket = { $bucket: { groupBy: '$since', boundaries: [new Date(0), new Date(400 * DAY)] } };
    expect(await aggregate(match, bucket)).toMatchObject({ keys: 270, docs: 0 });
    expect(await aggregate(match, { $count: 'n' })).toMatchObject({ keys: 270, docs: 0 });
    expect(await aggregate(match, { $sortByCount: '$tier' })).toMatchObject({ keys: 270, docs: 0 });
  });

  test('that keeps fields of the index alone', async () => {
    const kept = { _id: 0, tier: 1, since: 1 };
    expect(await find({ gone: true }, kept)).toEqual({ stages: ['PROJECTION_COVERED', 'IXSCAN'], keys: 30, docs: 0 });
    const [newest] = await people.find({ gone: true }, { projection: kept }).sort({ since: -1 }).toArray();
    expect(newest).toEqual({ tier: 'paid', since: new Date(290 * DAY) });
  });

  test('distinct', async () => {
    expect(await cost({ distinct: 'people', key: 'tier', query: { gone: true } })).toMatchObject({ keys: 30, docs: 0 });
    expect(await people.distinct('tier', { gone: true })).toEqual(['free', 'paid']);
  });
});

describe('the documents are read', () => {
  test('where something is asked that the keys do not hold', async () => {
    for (const projection of [{ _id: 0, n: 1 }, { tier: 1 }, { _id: 0, 'tier.x': 1 }, { _id: 0 }, { n: 0 }]) {
      expect(await find({ gone: true }, projection), JSON.stringify(projection)).toMatchObject({ docs: 30 });
    }
    expect(await count({ gone: true, n: 10 })).toMatchObject({ docs: 30 });
    expect(await count({ gone: true, $expr: { $eq: ['$tier', 'free'] } })).toMatchObject({ docs: 30 });
    for (const accumulator of [{ $push: '$$ROOT' }, { $first: { $getField: 'n' } }, { $sum: '$n' }]) {
      expect(await aggregate({ $match: { gone: true } }, { $group: { _id: null, x: accumulator } })).toMatchObject({
        docs: 30,
      });
    }
    const top = { $top: { sortBy: { n: -1 }, output: '$tier' } };
    expect(await aggregate({ $match: { gone: true } }, { $group: { _id: null, x: top } })).toMatchObject({ docs: 30 });
  });

  test.each<[string, unknown]>([
    ['an array', ['free']],
    ['nothing', undefined],
    ['a double', new Double(1)],
    ['a long', Long.fromNumber(1)],
    ['a document', { name: 'free' }],
  ])('from when one has held %s, which the keys do not tell', async (_, tier) => {
    await people.insertOne({ gone: true, since: new Date(0), ...(tier !== undefined && { tier }) });
    expect(await count({ gone: true })).toMatchObject({ docs: 31 });
    await people.deleteOne({ tier: tier === undefined ? { $exists: false } : tier });
    expect(await count({ gone: true })).toMatchObject({ docs: 30 });
  });

  test('where strings are found by a collation', async () => {
    await people.drop();
    await people.createIndex({ tier: 1 }, { collation: { locale: 'en', strength: 2 } });
    await people.insertOne({ tier: 'Free' });
    const found = await people.find({ tier: 'free' }, { collation: { locale: 'en', strength: 2 } });
    expect(await found.project({ _id: 0, tier: 1 }).toArray()).toEqual([{ tier: 'Free' }]);
  });
});

const IDS = Array.from({ length: 4 }, (_, i) => new ObjectId(`65000000000000000000000${i}`));
const TEXTS = ['', 'a', 'ab', 'a\0', '\0', '\uffff', '\ue000', '\ud7ff', '😀', '😀\0b', 'á', 'aa'];

test('what keys tell is what the documents hold', { timeout: 120_000 }, async () => {
  const seed = seedOf('EMBEDDED_MONGO_SEED');
  console.log(`covered queries: seed ${seed} (EMBEDDED_MONGO_SEED)`);
  const random = new Random(seed);
  const value = () =>
    random.pick<() => unknown>([
      () => random.pick(TEXTS),
      () => random.pick([0, 1, -1, 7, 2 ** 31 - 1, -(2 ** 31)]),
      () => random.chance(0.5),
      () => new Date(random.pick([0, -1, 1, 1_700_000_000_001, -8.64e15, 8.64e15])),
      () => random.pick(IDS),
      () => null,
    ])();
  const shown = (docs: unknown[]) => docs.map((doc) => EJSON.stringify(doc, { relaxed: false })).sort();
  const projection = { _id: 0, a: 1, b: 1, c: 1 };
  let covered = 0;
  for (let round = 0; round < 40; round++) {
    const collection = server().freshDb().collection<Document>('values');
    const direction = () => random.pick([1, -1] as const);
    await collection.createIndex({ a: direction(), b: direction(), c: direction() }, { unique: random.chance(0.2) });
    const docs = Array.from({ length: 60 }, () => ({ a: value(), b: value(), c: value() }));
    await collection.insertMany(docs, { ordered: false }).catch(() => {});
    for (let query = 0; query < 20; query++) {
      const condition = () => random.pick([value(), { $gte: value() }, { $lt: value() }, { $in: [value(), value()] }]);
      const filter = {
        a: condition(),
        ...(random.chance(0.5) && { b: condition() }),
        ...(random.chance(0.3) && { c: condition() }),
      };
      const ask = (options: Document) =>
        collection.find(filter, { projection, promoteValues: false, ...options }).toArray();
      const context = `seed ${seed}, round ${round}, query ${query}: ${EJSON.stringify(filter)}`;
      const scanned = await ask({ hint: { $natural: 1 } });
      expect(shown(await ask({})), context).toEqual(shown(scanned));
      expect(await collection.countDocuments(filter), context).toBe(scanned.length);
      const plan = await collection.find(filter, { projection }).explain('executionStats');
      if (plan['executionStats'].totalDocsExamined === 0) covered += scanned.length;
    }
  }
  // It says something only if documents were found by keys alone.
  expect(covered).toBeGreaterThan(1000);
});
