import { Long, type MongoClientBulkWriteError, UUID } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { rawCommand } from './support/raw.ts';
import { useServer } from './support/server.ts';

const server = useServer();

describe('core/index-ttl', () => {
  test.each([1, -1] as const)(
    'documents are removed when their time is over, direction %i',
    { timeout: 10_000 },
    async (direction) => {
      const db = server().freshDb();
      await server().client.db('admin').command({ setParameter: 1, ttlMonitorSleepSecs: 0.05 });
      const sessions = db.collection<{ _id: number; at?: unknown }>('sessions');
      await sessions.createIndex({ at: direction }, { expireAfterSeconds: 60 });
      const old = new Date(Date.now() - 120_000);
      await sessions.insertMany([
        { _id: 1, at: old },
        { _id: 2, at: new Date() },
        { _id: 3, at: 'no date' },
        { _id: 4 },
        { _id: 5, at: [new Date(), old] },
      ]);
      await expect.poll(() => sessions.distinct('_id'), { timeout: 5000, interval: 20 }).toEqual([2, 3, 4]);
      await db.command({ collMod: 'sessions', index: { keyPattern: { at: direction }, expireAfterSeconds: 0 } });
      await expect.poll(() => sessions.distinct('_id'), { timeout: 5000, interval: 20 }).toEqual([3, 4]);
    },
  );
});

describe('core/schema-validation', () => {
  test('what fails the validator is refused, unless that is bypassed', async () => {
    const db = server().freshDb();
    const strict = await db.createCollection<{ _id: number; n: number }>('strict', { validator: { n: { $gte: 0 } } });
    await expect(strict.insertOne({ _id: 1, n: -1 })).rejects.toMatchObject({ code: 121 });
    await strict.insertOne({ _id: 1, n: -1 }, { bypassDocumentValidation: true });
    await strict.insertOne({ _id: 2, n: 1 });
    await expect(strict.updateOne({ _id: 2 }, { $set: { n: -5 } })).rejects.toMatchObject({ code: 121 });
    await db.command({ collMod: 'strict', validationLevel: 'moderate' });
    await strict.updateOne({ _id: 1 }, { $set: { n: -2 } });
    await expect(strict.updateOne({ _id: 2 }, { $set: { n: -5 } })).rejects.toMatchObject({ code: 121 });
  });
});

describe('reference/command, collections and indexes', () => {
  test('create, list, rename, drop', async () => {
    const db = server().freshDb();
    await db.createCollection('a');
    await db.createCollection('a');
    await expect(db.createCollection('a', { validator: { x: 1 } })).rejects.toMatchObject({ code: 48 });
    await db.collection('b').insertOne({});
    expect((await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name)).toEqual(['a', 'b']);
    await expect(db.renameCollection('a', 'b')).rejects.toMatchObject({ code: 48 });
    await db.renameCollection('b', 'a', { dropTarget: true });
    expect(await db.collection('a').countDocuments()).toBe(1);
    expect(await db.dropCollection('a')).toBe(true);
    await db.collection('c').insertOne({});
    const names = async (): Promise<string[]> => (await db.admin().listDatabases()).databases.map(({ name }) => name);
    expect(await names()).toContain(db.databaseName);
    await db.dropDatabase();
    expect(await names()).not.toContain(db.databaseName);
  });

  test('indexes: the same again, another with the name, another of the key, dropped', async () => {
    const items = server().freshDb().collection('items');
    expect(await items.createIndex({ a: 1 })).toBe('a_1');
    expect(await items.createIndex({ a: 1 })).toBe('a_1');
    await expect(items.createIndex({ b: 1 }, { name: 'a_1' })).rejects.toMatchObject({ code: 86 });
    await expect(items.createIndex({ a: 1 }, { unique: true })).rejects.toMatchObject({ code: 86 });
    await expect(items.createIndex({ a: 1 }, { name: 'other' })).rejects.toMatchObject({ code: 85 });
    await expect(items.dropIndex('none')).rejects.toMatchObject({ code: 27 });
    await expect(items.dropIndex('_id_')).rejects.toMatchObject({ code: 72 });
    await items.createIndexes([{ key: { b: -1, 'c.d': 1 } }, { key: { e: 1 }, expireAfterSeconds: 5, sparse: true }]);
    expect(await items.indexes()).toEqual([
      { v: 2, key: { _id: 1 }, name: '_id_' },
      { v: 2, key: { a: 1 }, name: 'a_1' },
      { v: 2, key: { b: -1, 'c.d': 1 }, name: 'b_-1_c.d_1' },
      { v: 2, key: { e: 1 }, name: 'e_1', expireAfterSeconds: 5, sparse: true },
    ]);
    await items.dropIndexes();
    expect(await items.indexes()).toHaveLength(1);
  });

  test.each([
    ['an array', [1]],
    ['a regular expression', /x/],
  ])('an _id cannot be %s', async (_name, _id) => {
    const items = server().freshDb().collection('items');
    await expect(items.insertOne({ _id: _id as never })).rejects.toMatchObject({ code: 53 });
  });
});

describe('reference/command/bulkWrite', () => {
  test('writes to several collections', async () => {
    const { client } = server();
    const db = server().freshDb();
    const [a, b] = [`${db.databaseName}.a`, `${db.databaseName}.b`];
    const result = await client.bulkWrite<Record<string, { _id: number; n?: number; x?: number }>>(
      [
        { namespace: a, name: 'insertOne', document: { _id: 1, n: 1 } },
        { namespace: b, name: 'insertOne', document: { _id: 1 } },
        { namespace: a, name: 'updateOne', filter: { _id: 1 }, update: { $inc: { n: 1 } } },
        { namespace: b, name: 'replaceOne', filter: { _id: 2 }, replacement: { x: 1 }, upsert: true },
        { namespace: b, name: 'deleteMany', filter: { x: { $exists: false } } },
      ],
      { verboseResults: true },
    );
    expect(result).toMatchObject({
      insertedCount: 2,
      matchedCount: 1,
      modifiedCount: 1,
      upsertedCount: 1,
      deletedCount: 1,
    });
    expect(result.updateResults?.get(3)).toMatchObject({ didUpsert: true, upsertedId: 2 });
    expect(await db.collection('a').findOne()).toEqual({ _id: 1, n: 2 });
    expect(await db.collection('b').find().toArray()).toEqual([{ _id: 2, x: 1 }]);
  });

  test('tells which one failed', async () => {
    const namespace = `${server().freshDb().databaseName}.c`;
    const models = [1, 1, 2].map((id) => ({ namespace, name: 'insertOne' as const, document: { _id: id as never } }));
    for (const ordered of [true, false]) {
      const error = await server()
        .client.bulkWrite(models, { ordered })
        .then(
          () => undefined,
          (thrown: unknown) => thrown as MongoClientBulkWriteError,
        );
      expect(error?.writeErrors.values().next().value).toMatchObject({ code: 11000 });
    }
  });
});

describe('limits of time', () => {
  test("maxTimeMS ends a command with MongoDB's error", async () => {
    const docs = server().freshDb().collection('docs');
    await docs.insertMany(Array.from({ length: 5000 }, () => ({})));
    const slow = docs.aggregate([{ $match: { $expr: { $lt: [{ $sum: { $range: [0, 5000] } }, 0] } } }], {
      maxTimeMS: 30,
    });
    await expect(slow.toArray()).rejects.toMatchObject({ code: 50, codeName: 'MaxTimeMSExpired' });
  });

  test('a write that is sent again while it still runs is applied once', async () => {
    const db = server().freshDb();
    await db.collection('docs').insertMany(Array.from({ length: 20_000 }, (_, i) => ({ i, n: 0 })));
    const command = {
      update: 'docs',
      updates: [{ q: {}, u: { $inc: { n: 1 } }, multi: true }],
      lsid: { id: new UUID() },
      txnNumber: Long.fromNumber(1),
      $db: db.databaseName,
    };
    const { port } = server().mongo;
    const [one, two] = await Promise.all([rawCommand(port, command), rawCommand(port, command)]);
    expect(one).toMatchObject({ nModified: 20_000 });
    expect(two).toEqual(one);
    expect(await db.collection('docs').distinct('n')).toEqual([1]);
  });
});
