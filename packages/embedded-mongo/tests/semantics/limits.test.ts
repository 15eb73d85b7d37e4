import type { Document } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { useServer } from '../support/server.ts';

const server = useServer();
const MB = 1024 * 1024;

function nested(levels: number): Document {
  let doc: Document = {};
  for (let i = 1; i < levels; i++) doc = { a: doc };
  return doc;
}

describe('reference/limits', () => {
  test('a document that an update makes too large', async () => {
    const collection = server().freshDb().collection('c');
    await collection.insertOne({ _id: 1 as never, a: 'x'.repeat(9 * MB) });
    const grow = collection.updateOne({ _id: 1 as never }, { $set: { b: 'x'.repeat(9 * MB) } });
    await expect(grow).rejects.toMatchObject({ code: 17419 });
    expect(await collection.countDocuments({ b: { $exists: true } })).toBe(0);
  });

  test('a result of a pipeline that is too large', async () => {
    const collection = server().freshDb().collection('c');
    await collection.insertMany([{ a: 'x'.repeat(9 * MB) }, { a: 'x'.repeat(9 * MB) }]);
    const run = collection.aggregate([{ $group: { _id: null, all: { $push: '$a' } } }]).toArray();
    await expect(run).rejects.toMatchObject({ code: 10334 });
  });

  test('nesting', async () => {
    const collection = server().freshDb().collection('c');
    await collection.insertOne(nested(100));
    await expect(collection.insertOne(nested(190))).rejects.toMatchObject({ code: 15 });
  });

  test('memory of a sort without disk, and of a list', { timeout: 20_000 }, async () => {
    const collection = server().freshDb().collection('c');
    for (let n = 0; n < 8; n++) await collection.insertOne({ n, a: 'x'.repeat(15 * MB) });
    const sort = { n: 1 } as const;
    const only = { projection: { n: 1 } };
    await expect(
      collection
        .find({}, { ...only, allowDiskUse: false })
        .sort(sort)
        .toArray(),
    ).rejects.toMatchObject({
      code: 292,
    });
    expect(await collection.find({}, only).sort(sort).toArray()).toHaveLength(8);
    const push = [{ $group: { _id: null, all: { $push: '$a' } } }, { $project: { n: { $size: '$all' } } }];
    await expect(collection.aggregate(push).toArray()).rejects.toMatchObject({ code: 146 });
  });

  test('indexes of a collection and fields of an index', async () => {
    const collection = server().freshDb().collection('c');
    for (let i = 0; i < 63; i++) await collection.createIndex({ [`f${i}`]: 1 });
    await expect(collection.createIndex({ more: 1 })).rejects.toMatchObject({ code: 67 });
    const fields = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`g${i}`, 1 as const]));
    await expect(collection.createIndex(fields)).rejects.toMatchObject({ code: 13103 });
  });

  test('statements of one command', async () => {
    const documents = Array.from({ length: 100_001 }, () => ({}));
    const run = server().freshDb().command({ insert: 'c', documents });
    await expect(run).rejects.toMatchObject({ code: 16, codeName: 'InvalidLength' });
  });

  const names: [name: string, database: string, collection: string][] = [
    ['a long database', 'd'.repeat(64), 'c'],
    ['a long collection', 'd', 'c'.repeat(260)],
    ['a dollar', 'd', 'a$b'],
    ['a null', 'd', 'a\0b'],
  ];
  test.each(names)('names: %s', async (_name, database, collection) => {
    const run = server()
      .client.db(database)
      .command({ insert: collection, documents: [{ a: 1 }] });
    await expect(run).rejects.toMatchObject({ code: 73 });
  });
});
