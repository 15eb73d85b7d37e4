import { type EventEmitter, once } from 'node:events';
import { type ChangeStream, type ChangeStreamDocument, type Document, Long, MongoClient } from 'mongodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startEmbeddedMongo } from '../src/index.ts';
import { temporaryFolder } from './support/folder.ts';
import { useServer } from './support/server.ts';

const server = useServer();

type Stream = ChangeStream<Document, ChangeStreamDocument<Document>>;

function closing<T extends Stream>(stream: T): T {
  onTestFinished(() => stream.close());
  return stream;
}

/** A stream that is open: what is written from now on, it reports. The driver opens it with its first batch. */
async function opened<T extends Stream>(stream: T): Promise<T> {
  const { cursor } = stream as unknown as { cursor: EventEmitter };
  const init = once(cursor, 'init');
  const first = stream.next();
  first.catch(() => {});
  await init;
  const next = stream.next.bind(stream);
  let pending: ReturnType<Stream['next']> | undefined = first;
  stream.next = () => {
    const result = pending ?? next();
    pending = undefined;
    return result;
  };
  return closing(stream);
}

async function take(stream: Stream, n: number): Promise<Document[]> {
  const events: Document[] = [];
  while (events.length < n) events.push(await stream.next());
  return events;
}

describe('events (reference/change-events)', () => {
  test('insert, update, replace and delete', async () => {
    const db = server().freshDb();
    const c = db.collection<Document & { _id: number }>('c');
    const stream = await opened(c.watch([], { fullDocument: 'updateLookup' }));
    await c.insertOne({ _id: 1, a: 1, b: { c: 1, d: 1 }, list: [1, 2, 3] });
    await c.updateOne({ _id: 1 }, { $set: { 'b.c': 2, e: 'new' }, $unset: { a: '' }, $push: { list: 4 as never } });
    await c.updateOne({ _id: 1 }, { $pop: { list: 1 } });
    await c.replaceOne({ _id: 1 }, { z: 1 });
    await c.updateOne({ _id: 1 }, { $set: { z: 1 } });
    await c.deleteOne({ _id: 1 });
    const events = await take(stream, 5);
    const ns = { db: db.databaseName, coll: 'c' };
    const documentKey = { _id: 1 };
    expect(events).toMatchObject([
      { operationType: 'insert', ns, documentKey, fullDocument: { _id: 1, a: 1, b: { c: 1, d: 1 }, list: [1, 2, 3] } },
      {
        operationType: 'update',
        documentKey,
        fullDocument: null,
        updateDescription: {
          updatedFields: { 'b.c': 2, 'list.3': 4, e: 'new' },
          removedFields: ['a'],
          truncatedArrays: [],
        },
      },
      {
        operationType: 'update',
        updateDescription: { updatedFields: { list: [1, 2, 3] }, removedFields: [], truncatedArrays: [] },
      },
      { operationType: 'replace', documentKey, fullDocument: { _id: 1, z: 1 } },
      { operationType: 'delete', documentKey },
    ]);
    for (const [i, event] of events.entries()) {
      expect(event.wallTime).toBeInstanceOf(Date);
      expect(event._id._data).toMatch(/^82[0-9A-F]+$/);
      if (i > 0) expect(event._id._data > events[i - 1]?._id._data).toBe(true);
    }
  });

  test('operators are reported by their paths, pipelines by what differs', async () => {
    const c = server().freshDb().collection<Document & { _id: number }>('c');
    const start = { _id: 1, sub: { a: 1, b: 2 }, list: [{ n: 1 }, { n: 2 }], short: [1, 2, 3], old: 1 };
    await c.insertOne(start);
    const stream = await opened(c.watch());
    await c.updateOne({ _id: 1 }, { $set: { sub: { a: 1, b: 3 } } });
    await c.updateOne({ _id: 1 }, { $set: { 'list.$[x].n': 5 } }, { arrayFilters: [{ 'x.n': 2 }] });
    await c.updateOne({ _id: 1 }, { $set: { 'made.here': 1 }, $rename: { old: 'new' } });
    await c.updateOne({ _id: 1 }, [{ $set: { 'sub.b': 4, short: { $slice: ['$short', 2] } } }]);
    const events = await take(stream, 4);
    expect(events.map(({ updateDescription }) => updateDescription)).toEqual([
      { updatedFields: { sub: { a: 1, b: 3 } }, removedFields: [], truncatedArrays: [] },
      { updatedFields: { 'list.1.n': 5 }, removedFields: [], truncatedArrays: [] },
      { updatedFields: { made: { here: 1 }, new: 1 }, removedFields: ['old'], truncatedArrays: [] },
      { updatedFields: { 'sub.b': 4 }, removedFields: [], truncatedArrays: [{ field: 'short', newSize: 2 }] },
    ]);
  });

  test('showExpandedEvents adds what happens to collections and indexes, and more about documents', async () => {
    const db = server().freshDb();
    const c = db.collection<Document & { _id: number }>('c');
    const [plain, expanded] = [await opened(db.watch()), await opened(db.watch([], { showExpandedEvents: true }))];
    await db.createCollection('c');
    await c.createIndex({ a: 1 });
    await c.insertOne({ _id: 1, a: [{ '1': 1 }] });
    await c.updateOne({ _id: 1 }, { $set: { 'a.0.1': 2 } });
    await db.command({ collMod: 'c', validator: { b: { $exists: false } } });
    await c.dropIndex('a_1');
    await db.createCollection('target');
    await c.rename('target', { dropTarget: true });
    const index = { v: 2, key: { a: 1 }, name: 'a_1' };
    const events = await take(expanded, 8);
    const collectionUUID = expect.anything();
    expect(events).toMatchObject([
      { operationType: 'create', collectionUUID, operationDescription: { idIndex: { name: '_id_' } } },
      { operationType: 'createIndexes', operationDescription: { indexes: [index] } },
      { operationType: 'insert', collectionUUID },
      { operationType: 'update', updateDescription: { disambiguatedPaths: { 'a.0.1': ['a', 0, '1'] } } },
      { operationType: 'modify', operationDescription: { validator: { b: { $exists: false } } } },
      { operationType: 'dropIndexes', operationDescription: { indexes: [index] } },
      { operationType: 'create', ns: { coll: 'target' } },
      {
        operationType: 'rename',
        operationDescription: { to: { db: db.databaseName, coll: 'target' }, dropTarget: expect.anything() },
      },
    ]);
    expect((await take(plain, 3)).map(({ operationType }) => operationType)).toEqual(['insert', 'update', 'rename']);
  });

  test('a large event comes in fragments, each of which can be resumed after', async () => {
    const db = server().freshDb();
    const c = await db.createCollection('c', { changeStreamPreAndPostImages: { enabled: true } });
    const large = (letter: string): string => letter.repeat(9 * 1024 * 1024);
    await c.insertOne({ n: 1, value: large('a') });
    const options = { fullDocumentBeforeChange: 'required' };
    const pipeline = [{ $changeStreamSplitLargeEvent: {} }];
    const stream = await opened(c.watch(pipeline, options));
    await c.updateOne({ n: 1 }, { $set: { value: large('b') } });
    await c.insertOne({ n: 2 });
    const [first, second, third] = await take(stream, 3);
    expect([first?.splitEvent, second?.splitEvent]).toEqual([
      { fragment: 1, of: 2 },
      { fragment: 2, of: 2 },
    ]);
    expect({ ...first, ...second }).toMatchObject({
      operationType: 'update',
      updateDescription: { updatedFields: { value: large('b') } },
      fullDocumentBeforeChange: { value: large('a') },
    });
    expect(third).toMatchObject({ operationType: 'insert', fullDocument: { n: 2 } });
    const resumed = await opened(c.watch(pipeline, { ...options, resumeAfter: first?._id }));
    expect(await take(resumed, 2)).toEqual([second, third]);
    const unsplit = closing(c.watch([], { ...options, resumeAfter: first?._id }));
    await expect(unsplit.next()).rejects.toMatchObject({ code: 280 });
  });

  test('batches of a few events lose none', async () => {
    const c = server().freshDb().collection('c');
    const stream = await opened(c.watch([], { batchSize: 2 }));
    await c.insertMany([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect((await take(stream, 3)).map(({ fullDocument }) => fullDocument.n)).toEqual([1, 2, 3]);
  });

  test('an error comes after the events before it', async () => {
    const db = server().freshDb();
    await db.createCollection('c');
    const watch = {
      aggregate: 'c',
      pipeline: [{ $changeStream: { fullDocumentBeforeChange: 'required' } }],
      cursor: {},
    };
    const { cursor } = await db.command(watch);
    await db.collection('c').insertOne({ n: 1 });
    await db.collection('c').deleteOne({ n: 1 });
    const more = (): Promise<Document> => db.command({ getMore: Long.fromNumber(cursor.id), collection: 'c' });
    const { nextBatch, postBatchResumeToken } = (await more()).cursor;
    expect(nextBatch).toMatchObject([{ operationType: 'insert' }]);
    expect(postBatchResumeToken).toEqual(nextBatch[0]._id);
    await expect(more()).rejects.toMatchObject({ code: 47 });
  });

  test('other read concerns than majority are refused, unknown stages told from forbidden ones', async () => {
    const db = server().freshDb();
    const watch = (stages: Document[], level = 'majority'): Promise<Document> =>
      db.command({ aggregate: 'c', pipeline: [{ $changeStream: {} }, ...stages], cursor: {}, readConcern: { level } });
    await expect(watch([], 'local')).rejects.toMatchObject({ code: 72 });
    await expect(watch([{ $noSuchStage: {} }])).rejects.toMatchObject({ code: 40324 });
    await expect(watch([{ $group: { _id: 1 } }])).rejects.toMatchObject({ code: 20 });
  });

  test('what a transaction did names its session and number', async () => {
    const c = server().freshDb().collection('c');
    await c.insertOne({});
    const stream = await opened(c.watch());
    const session = server().client.startSession();
    onTestFinished(() => session.endSession());
    await session.withTransaction(() => c.insertOne({ n: 1 }, { session }));
    await c.insertOne({ n: 2 });
    const [inside, outside] = await take(stream, 2);
    expect(inside?.lsid.id).toEqual(session.id?.id);
    expect(inside?.txnNumber).toEqual(expect.any(Number));
    expect(outside).not.toHaveProperty('lsid');
  });

  test('drop, rename and dropDatabase, and the end of the stream', async () => {
    const db = server().freshDb();
    const c = db.collection('c');
    await c.insertOne({});
    const [ofCollection, ofDatabase] = [await opened(c.watch()), await opened(db.watch())];
    const everything = await opened(server().client.watch([{ $match: { 'ns.db': db.databaseName } }]));
    await c.rename('d');
    await db.collection('d').drop();
    await db.collection('e').insertOne({});
    await db.dropDatabase();
    const types = (events: Document[]): string[] => events.map(({ operationType }) => operationType);
    expect(types(await take(ofCollection, 2))).toEqual(['rename', 'invalidate']);
    expect(types(await take(ofDatabase, 6))).toEqual([
      'rename',
      'drop',
      'insert',
      'drop',
      'dropDatabase',
      'invalidate',
    ]);
    expect(types(await take(everything, 5))).toEqual(['rename', 'drop', 'insert', 'drop', 'dropDatabase']);
    await expect(ofCollection.next()).rejects.toThrow();
  });

  test('images before and after', async () => {
    const db = server().freshDb();
    const c = await db.createCollection<Document & { _id: number }>('c', {
      changeStreamPreAndPostImages: { enabled: true },
    });
    const stream = await opened(c.watch([], { fullDocument: 'required', fullDocumentBeforeChange: 'required' }));
    await c.insertOne({ _id: 1, n: 1 });
    await c.updateOne({ _id: 1 }, { $inc: { n: 1 } });
    await c.deleteOne({ _id: 1 });
    expect(await take(stream, 3)).toMatchObject([
      { operationType: 'insert' },
      { fullDocument: { _id: 1, n: 2 }, fullDocumentBeforeChange: { _id: 1, n: 1 } },
      { operationType: 'delete', fullDocumentBeforeChange: { _id: 1, n: 2 } },
    ]);
    await db.command({ collMod: 'c', changeStreamPreAndPostImages: { enabled: false } });
    await c.insertOne({ _id: 2, n: 1 });
    await c.deleteOne({ _id: 2 });
    await expect(take(stream, 2)).rejects.toMatchObject({ code: 47 });
  });

  test('a transaction comes as a whole, in order, after its commit', async () => {
    const c = server().freshDb().collection<Document & { _id: number }>('c');
    await c.insertOne({ _id: 0 });
    const stream = await opened(c.watch());
    await server().client.withSession((session) =>
      session.withTransaction(async () => {
        await c.insertOne({ _id: 1 }, { session });
        await c.updateOne({ _id: 1 }, { $set: { x: 1 } }, { session });
        await c.insertOne({ _id: 9 });
        await c.deleteOne({ _id: 0 }, { session });
      }),
    );
    const events = await take(stream, 4);
    expect(events.map(({ operationType, documentKey }) => [operationType, documentKey._id])).toEqual([
      ['insert', 9],
      ['insert', 1],
      ['update', 1],
      ['delete', 0],
    ]);
    expect(events[1]?.clusterTime).toEqual(events[3]?.clusterTime);
    const rest = closing(c.watch([], { resumeAfter: events[2]?._id }));
    expect((await rest.next()).operationType).toBe('delete');
  });

  test('stages after the first', async () => {
    const c = server().freshDb().collection<Document & { _id: number }>('c');
    const pipeline = [{ $match: { 'fullDocument.n': { $gt: 1 } } }, { $addFields: { seen: true } }, { $unset: 'ns' }];
    const stream = await opened(c.watch(pipeline));
    await c.insertMany([
      { _id: 1, n: 1 },
      { _id: 2, n: 2 },
    ]);
    const event = (await stream.next()) as Document;
    expect(event).toMatchObject({ documentKey: { _id: 2 }, seen: true });
    expect(event).not.toHaveProperty('ns');
    await expect(c.watch([{ $group: { _id: 1 } }]).next()).rejects.toMatchObject({ code: 20 });
    const broken = await opened(c.watch([{ $replaceRoot: { newRoot: { a: 1 } } }]));
    await c.insertOne({ _id: 3, n: 3 });
    await expect(broken.next()).rejects.toMatchObject({ code: 280 });
  });
});

describe('resuming (changeStreams, "Resume a Change Stream")', () => {
  test('after an event, at a time, and after the end', async () => {
    const c = server().freshDb().collection<Document & { _id: number }>('c');
    const stream = await opened(c.watch());
    await c.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    const [first, second] = (await take(stream, 3)) as [Document, Document];
    const resumed = closing(c.watch([], { resumeAfter: first._id }));
    expect((await take(resumed, 2)).map(({ documentKey }) => documentKey._id)).toEqual([2, 3]);
    const timed = closing(c.watch([], { startAtOperationTime: second.clusterTime }));
    expect((await take(timed, 2)).map(({ documentKey }) => documentKey._id)).toEqual([2, 3]);
    await c.drop();
    const [drop, invalidate] = (await take(stream, 2)) as [Document, Document];
    await expect(c.watch([], { resumeAfter: invalidate._id }).next()).rejects.toMatchObject({ code: 260 });
    const again = c.watch([], { resumeAfter: drop._id });
    expect((await again.next()).operationType).toBe('invalidate');
    const after = closing(c.watch([], { startAfter: invalidate._id }));
    await c.insertOne({ _id: 4 });
    expect(await after.next()).toMatchObject({ operationType: 'insert', documentKey: { _id: 4 } });
    const lost = { _data: `82000000010000000100000000${'01'}` };
    await expect(c.watch([], { resumeAfter: lost }).next()).rejects.toMatchObject({ code: 286 });
  });

  test('after kill -9 and a restart', { timeout: 30_000 }, async () => {
    const dataDir = temporaryFolder();
    let mongo = await startEmbeddedMongo({ dataDir });
    let client = await MongoClient.connect(mongo.uri);
    const stream = await opened(client.db('t').collection('c').watch());
    const session = client.startSession();
    await client
      .db('t')
      .collection<{ _id: number }>('c')
      .insertMany([{ _id: 1 }, { _id: 2 }]);
    const first = await stream.next();
    await session.withTransaction(async () => {
      const c = client.db('t').collection<{ _id: number; n?: number }>('c');
      await c.updateOne({ _id: 1 }, { $set: { n: 1 } }, { session });
      await c.replaceOne({ _id: 2 }, { n: 2 }, { session });
    });
    await client.db('t').collection<{ _id: number }>('c').deleteOne({ _id: 2 });
    const before = await take(stream, 4);
    await stream.close();
    process.kill(mongo.pid, 'SIGKILL');
    await mongo.stop();
    await client.close(true);
    mongo = await startEmbeddedMongo({ dataDir });
    client = await MongoClient.connect(mongo.uri);
    onTestFinished(async () => {
      await client.close();
      await mongo.stop();
    });
    const resumed = closing(client.db('t').collection('c').watch([], { resumeAfter: first._id }));
    expect(await take(resumed, 4)).toEqual(before);
    await client.db('t').collection<{ _id: number }>('c').insertOne({ _id: 5 });
    expect(await resumed.next()).toMatchObject({ documentKey: { _id: 5 } });
  });
});

test('many listeners are woken by a write, and all see the same', { timeout: 30_000 }, async () => {
  const c = server().freshDb().collection<Document & { _id: number }>('c');
  const streams = await Promise.all(Array.from({ length: 60 }, () => opened(c.watch([], { maxAwaitTimeMS: 20_000 }))));
  const waiting = streams.map((stream) => take(stream, 3));
  const started = performance.now();
  await c.insertOne({ _id: 1 });
  await c.updateOne({ _id: 1 }, { $set: { a: 1 } });
  await c.deleteOne({ _id: 1 });
  for (const events of await Promise.all(waiting)) {
    expect(events.map(({ operationType }) => operationType)).toEqual(['insert', 'update', 'delete']);
  }
  expect(performance.now() - started).toBeLessThan(10_000);
});

test('closing a stream that waits ends its getMore at once', async () => {
  const c = server().freshDb().collection('c');
  const stream = await opened(c.watch([], { maxAwaitTimeMS: 60_000 }));
  const next = stream.next().catch((error: unknown) => error);
  await stream.close();
  expect(await next).toBeInstanceOf(Error);
  const ping = await server().client.db('admin').command({ ping: 1 });
  expect(ping).toMatchObject({ ok: 1 });
});
