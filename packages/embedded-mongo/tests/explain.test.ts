import type { Collection, Document } from 'mongodb';
import { beforeEach, describe, expect, test } from 'vitest';
import { useServer } from './support/server.ts';

const server = useServer();

/** The stages from the outside in. */
function stages(plan: Document): string[] {
  const inner = (plan.inputStage ?? plan.inputStages?.[0]) as Document | undefined;
  return [plan.stage as string, ...(inner === undefined ? [] : stages(inner))];
}

interface Cost {
  stages: string[];
  keys: number;
  docs: number;
  returned: number;
}

function costOf(explained: Document): Cost {
  const stats = explained.executionStats as Document;
  return {
    stages: stages(explained.queryPlanner.winningPlan as Document),
    keys: stats.totalKeysExamined as number,
    docs: stats.totalDocsExamined as number,
    returned: stats.nReturned as number,
  };
}

describe('explain (reference/command/explain): what is counted is what was done', () => {
  let things: Collection<Document>;
  const find = async (
    filter: Document,
    change: (cursor: ReturnType<typeof things.find>) => unknown = () => {},
  ): Promise<Cost> => {
    const cursor = things.find(filter);
    change(cursor);
    return costOf(await cursor.explain('executionStats'));
  };

  beforeEach(async () => {
    things = server().freshDb().collection('things');
    await things.createIndex({ user: 1, at: -1 });
    await things.createIndex({ key: 1 }, { unique: true });
    await things.createIndex({ status: 1 }, { partialFilterExpression: { open: true } });
    await things.createIndex({ tags: 1 });
    await things.insertMany(
      Array.from({ length: 1000 }, (_, i) => ({
        _id: i as never,
        user: i % 10,
        at: new Date(i),
        key: `k${i}`,
        status: i % 4,
        open: i % 2 === 0,
        tags: [i % 5, 5 + (i % 3)],
      })),
    );
  });

  test('of several indexes the one that reads fewest keys, whatever the shape of the conditions', async () => {
    await things.createIndex({ status: 1, at: 1 });
    await things.createIndex({ gone: 1 }, { sparse: true });
    const filter = { status: { $in: [0, 1, 2] }, gone: { $lt: new Date(5) } };
    expect(await find(filter)).toMatchObject({ keys: 0, docs: 0, returned: 0 });
    await things.updateMany({ user: 3 }, { $set: { gone: new Date(1) } });
    await things.updateOne({ key: 'k1' }, { $set: { status: 9 } });
    expect(await find({ status: 9, gone: { $lt: new Date(5) } })).toMatchObject({ keys: 1, docs: 1, returned: 0 });
    // Both find many: then the order decides.
    const sorted = await find({ status: 3, user: { $gte: 0 } }, (cursor) => cursor.sort({ at: 1 }).limit(5));
    expect(sorted).toMatchObject({ stages: ['LIMIT', 'FETCH', 'IXSCAN'], keys: 5, returned: 5 });
  });

  test('no sparse one where an element without the field can match', async () => {
    await things.createIndex({ 'parts.name': 1 }, { sparse: true });
    await things.insertOne({ _id: 'bare' as never, key: 'bare', parts: [{ size: 1 }] });
    const named = { parts: { $elemMatch: { name: null, size: 1 } } };
    expect(await things.find(named).toArray()).toMatchObject([{ _id: 'bare' }]);
    await things.insertOne({ _id: 'named' as never, key: 'named', parts: [{ name: 'x' }] });
    expect(await find({ parts: { $elemMatch: { name: 'x' } } })).toMatchObject({ keys: 1, docs: 1, returned: 1 });
  });

  test('by the _id', async () => {
    expect(await find({ _id: 5 as never })).toEqual({ stages: ['EXPRESS_IXSCAN'], keys: 1, docs: 1, returned: 1 });
  });

  test('by a unique index', async () => {
    expect(await find({ key: 'k7' })).toEqual({ stages: ['FETCH', 'IXSCAN'], keys: 1, docs: 1, returned: 1 });
    expect(await find({ key: 'none' })).toMatchObject({ keys: 0, docs: 0, returned: 0 });
  });

  test('a scan where no index helps', async () => {
    expect(await find({ open: true })).toEqual({ stages: ['COLLSCAN'], keys: 0, docs: 1000, returned: 500 });
  });

  test('a range behind an equality', async () => {
    expect(await find({ user: 3, at: { $gte: new Date(500) } })).toEqual({
      stages: ['FETCH', 'IXSCAN'],
      keys: 50,
      docs: 50,
      returned: 50,
    });
  });

  test('an index that delivers the order reads no more than the limit', async () => {
    const newest = await find({ user: 3 }, (cursor) => cursor.sort({ at: -1 }).limit(5));
    expect(newest).toEqual({ stages: ['LIMIT', 'FETCH', 'IXSCAN'], keys: 5, docs: 5, returned: 5 });
    const oldest = await find({ user: 3 }, (cursor) => cursor.sort({ at: 1 }).limit(5));
    expect(oldest).toEqual({ stages: ['LIMIT', 'FETCH', 'IXSCAN'], keys: 5, docs: 5, returned: 5 });
    const page = await find({ user: 3, at: { $lt: new Date(500) } }, (cursor) => cursor.sort({ at: -1 }).limit(5));
    expect(page).toMatchObject({ keys: 5, docs: 5 });
  });

  test('an index for the order only', async () => {
    expect(await find({}, (cursor) => cursor.sort({ key: -1 }).limit(3))).toEqual({
      stages: ['LIMIT', 'FETCH', 'IXSCAN'],
      keys: 3,
      docs: 3,
      returned: 3,
    });
  });

  test('a sort in memory', async () => {
    expect(await find({ user: 3 }, (cursor) => cursor.sort({ status: 1 }))).toMatchObject({
      stages: ['SORT', 'FETCH', 'IXSCAN'],
      docs: 100,
    });
  });

  test('$in as several points', async () => {
    expect(await find({ key: { $in: ['k1', 'k2', 'none'] } })).toMatchObject({ keys: 2, docs: 2, returned: 2 });
  });

  test('a partial index only where the query implies its filter', async () => {
    expect(await find({ status: 2, open: true })).toMatchObject({ stages: ['FETCH', 'IXSCAN'], keys: 250, docs: 250 });
    expect(await find({ status: 2 })).toMatchObject({ stages: ['COLLSCAN'], docs: 1000 });
  });

  test('a multikey index delivers each document once', async () => {
    expect(await find({ tags: { $in: [0, 5] } })).toMatchObject({ docs: 467, returned: 467 });
  });

  test('$or by an index for each branch', async () => {
    expect(await find({ $or: [{ key: 'k1' }, { _id: 9 as never }] })).toEqual({
      stages: ['FETCH', 'OR', 'IXSCAN'],
      keys: 2,
      docs: 2,
      returned: 2,
    });
  });

  test('a hint is followed', async () => {
    expect(await find({ user: 3 }, (cursor) => cursor.hint({ $natural: 1 }))).toMatchObject({
      stages: ['COLLSCAN'],
      docs: 1000,
    });
    expect(await find({ user: 3 }, (cursor) => cursor.hint('key_1'))).toMatchObject({ keys: 1000 });
  });

  test('queryPlanner alone runs nothing', async () => {
    const explained = await things.find({ user: 3 }).explain('queryPlanner');
    expect(explained).not.toHaveProperty('executionStats');
    expect(stages(explained.queryPlanner.winningPlan as Document)).toEqual(['FETCH', 'IXSCAN']);
  });

  test('aggregate, count, distinct, update, delete, findAndModify', async () => {
    const pipeline = [{ $match: { user: 3 } }, { $sort: { at: -1 } }, { $limit: 2 }, { $project: { at: 1 } }];
    expect(costOf(await things.aggregate(pipeline).explain('executionStats'))).toMatchObject({
      keys: 2,
      docs: 2,
      returned: 2,
    });
    const run = async (command: Document): Promise<Cost> =>
      costOf(await things.db.command({ explain: command, verbosity: 'executionStats' }));
    const name = things.collectionName;
    expect(await run({ count: name, query: { open: true } })).toMatchObject({ keys: 0, docs: 1000 });
    expect(await run({ distinct: name, key: 'status', query: { user: 1 } })).toMatchObject({ keys: 100, docs: 100 });
    expect(await run({ update: name, updates: [{ q: { user: 1 }, u: { $set: { x: 1 } } }] })).toMatchObject({
      keys: 1,
      docs: 1,
    });
    expect(
      await run({ update: name, updates: [{ q: { user: 1 }, u: { $set: { x: 1 } }, multi: true }] }),
    ).toMatchObject({ keys: 100, docs: 100 });
    expect(await run({ delete: name, deletes: [{ q: { key: 'k1' }, limit: 1 }] })).toMatchObject({ keys: 1, docs: 1 });
    expect(
      await run({ findAndModify: name, query: { user: 1 }, sort: { at: -1 }, update: { $set: { x: 1 } } }),
    ).toMatchObject({ keys: 1, docs: 1 });
    expect(await things.countDocuments({ x: 1 })).toBe(0);
    expect(await things.countDocuments()).toBe(1000);
  });
});
