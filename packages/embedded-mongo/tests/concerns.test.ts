import { type Document, Timestamp } from 'mongodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { useServer } from './support/server.ts';

const server = useServer();

interface Counter {
  _id: number;
  n: number;
}

describe('snapshots outside transactions (reference/read-concern-snapshot)', () => {
  test('a session reads one moment, whatever is written meanwhile', async () => {
    const c = server().freshDb().collection<Counter>('c');
    await c.insertMany([
      { _id: 1, n: 1 },
      { _id: 2, n: 1 },
    ]);
    await c.createIndex({ n: 1 });
    const session = server().client.startSession({ snapshot: true });
    onTestFinished(() => session.endSession());
    expect(await c.findOne({ _id: 1 }, { session })).toEqual({ _id: 1, n: 1 });
    await c.updateOne({ _id: 1 }, { $inc: { n: 1 } });
    await c.deleteOne({ _id: 2 });
    await c.insertOne({ _id: 3, n: 1 });
    expect(await c.distinct('n', {}, { session })).toEqual([1]);
    expect(await c.countDocuments({ n: 1 }, { session })).toBe(2);
    const before = [
      { _id: 1, n: 1 },
      { _id: 2, n: 1 },
    ];
    expect(await c.find({ n: 1 }, { session, batchSize: 1 }).toArray()).toEqual(before);
    expect(await c.find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: 1, n: 2 },
      { _id: 3, n: 1 },
    ]);
  });

  test('any moment that the history reaches back to can be asked for', async () => {
    const db = server().freshDb();
    const c = db.collection<Counter>('c');
    const times: unknown[] = [];
    await c.insertOne({ _id: 1, n: 0 });
    await c.createIndex({ n: 1 }, { unique: true });
    for (let n = 1; n <= 20; n++) {
      const { operationTime } = await db.command({
        update: 'c',
        updates: [{ q: { _id: 1 }, u: { $set: { n } } }],
      });
      times.push(operationTime);
    }
    for (const [i, atClusterTime] of times.entries()) {
      const { cursor } = await db.command({
        find: 'c',
        filter: { n: i + 1 },
        readConcern: { level: 'snapshot', atClusterTime },
      });
      expect(cursor).toMatchObject({ firstBatch: [{ _id: 1, n: i + 1 }], atClusterTime });
    }
  });

  test('a moment before the collection, one after its end, one too old and one to come', async () => {
    const db = server().freshDb();
    const at = (atClusterTime: unknown): Promise<Document> =>
      db.command({ find: 'c', readConcern: { level: 'snapshot', atClusterTime } });
    const { operationTime: before } = await db
      .collection('other')
      .insertOne({})
      .then(() => db.command({ ping: 1 }));
    await db.collection('c').insertOne({});
    expect((await at(before)).cursor.firstBatch).toEqual([]);
    const { operationTime: present } = await db.command({ ping: 1 });
    await db.dropCollection('c');
    await expect(at(present)).rejects.toMatchObject({ code: 246 });
    await expect(at(new Timestamp({ t: 1, i: 1 }))).rejects.toMatchObject({ code: 239 });
    await expect(at(new Timestamp({ t: 2 ** 32 - 1, i: 1 }))).rejects.toMatchObject({ code: 72 });
  });

  test.each(['count', 'insert', 'listIndexes'])('%s does not take it', async (name) => {
    const documents = name === 'insert' ? { documents: [{}] } : {};
    const run = server()
      .freshDb()
      .command({ [name]: 'c', ...documents, readConcern: { level: 'snapshot' } });
    await expect(run).rejects.toMatchObject({ code: 72, codeName: 'InvalidOptions' });
  });
});

describe('write concerns that one member cannot meet (reference/write-concern)', () => {
  test.each([
    [2, 100, 'UnsatisfiableWriteConcern'],
    ['backup', 79, 'UnknownReplWriteConcern'],
  ])('w: %j is done, with an error', async (w, code, codeName) => {
    const db = server().freshDb();
    const reply = await server()
      .client.db(db.databaseName, { writeConcern: {} })
      .command({ insert: 'c', documents: [{ _id: 1 }], writeConcern: { w } })
      .catch((error: { result: Document }) => error.result);
    expect(reply).toMatchObject({ n: 1, writeConcernError: { code, codeName } });
    expect(await db.collection('c').countDocuments()).toBe(1);
  });

  test('w: -1 is refused before anything is done', async () => {
    const db = server().freshDb();
    const insert = db.command({ insert: 'c', documents: [{}], writeConcern: { w: -1 } });
    await expect(insert).rejects.toMatchObject({ code: 9 });
    expect(await db.collection('c').countDocuments()).toBe(0);
  });
});
