import { type Collection, type Db, type Document, Long, MongoClient } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { startEmbeddedMongo } from '../src/index.ts';
import { temporaryFolder } from './support/folder.ts';
import { rawCommand } from './support/raw.ts';
import { useServer } from './support/server.ts';

const server = useServer();

interface Numbered {
  _id: number;
  [field: string]: unknown;
}

const ids = async (collection: Collection<Numbered>): Promise<number[]> =>
  (await collection.find().toArray()).map(({ _id }) => _id);

describe('options of create that contradict each other or say nothing', () => {
  const cases: [string, Document, number][] = [
    ['capped without a size', { capped: true }, 72],
    ['a size without capped', { size: 5000 }, 72],
    ['a capped collection of size 0', { capped: true, size: 0 }, 51024],
    ['a clustered index that is not unique', { clusteredIndex: { key: { _id: 1 }, unique: false } }, 5979700],
    ['a clustered index of another field', { clusteredIndex: { key: { a: 1 }, unique: true } }, 197],
    ['an unknown field of a clustered index', { clusteredIndex: { key: { _id: 1 }, unique: true, x: 1 } }, 40415],
    ['an expiry of an ordinary collection', { expireAfterSeconds: 5 }, 72],
    ['a time series without a time', { timeseries: { metaField: 'm' } }, 40414],
    ['a time within a document', { timeseries: { timeField: 'a.b' } }, 72],
    ['one field as time and metadata', { timeseries: { timeField: 't', metaField: 't' } }, 72],
    ['an unknown granularity', { timeseries: { timeField: 't', granularity: 'days' } }, 2],
    ['a span without its rounding', { timeseries: { timeField: 't', bucketMaxSpanSeconds: 60 } }, 72],
    ['a capped time series', { timeseries: { timeField: 't' }, capped: true, size: 5000 }, 72],
  ];
  test.each(cases)('%s', async (_name, options, code) => {
    await expect(
      server()
        .freshDb()
        .command({ create: 'c', ...options }),
    ).rejects.toMatchObject({ code });
  });
});

describe('core/capped-collections', () => {
  test('the oldest make room when there are too many', async () => {
    const db = server().freshDb();
    const log = await db.createCollection<Numbered>('log', { capped: true, size: 5000, max: 3 });
    await log.insertMany([1, 2, 3, 4, 5].map((_id) => ({ _id })));
    expect(await ids(log)).toEqual([3, 4, 5]);
    expect((await log.find().sort({ $natural: -1 }).toArray()).map(({ _id }) => _id)).toEqual([5, 4, 3]);
    await log.updateOne({ _id: 3 }, { $set: { text: 'longer than before' } });
    expect(await ids(log)).toEqual([3, 4, 5]);
    await log.deleteOne({ _id: 4 });
    expect(await ids(log)).toEqual([3, 5]);
    expect(await log.findOne({ _id: 1 })).toBeNull();
  });

  test('the oldest make room when they take too much', async () => {
    const db = server().freshDb();
    const log = await db.createCollection<Numbered>('log', { capped: true, size: 4096 });
    for (let _id = 0; _id < 10; _id++) await log.insertOne({ _id, text: 'x'.repeat(900) });
    expect(await ids(log)).toEqual([6, 7, 8, 9]);
  });

  test('its options are listed, and its size is rounded up', async () => {
    const db = server().freshDb();
    const log = await db.createCollection('log', { capped: true, size: 5000, max: 10 });
    expect(await log.isCapped()).toBe(true);
    expect(await log.options()).toEqual({ capped: true, size: 5120, max: 10 });
    expect(await db.command({ collStats: 'log' })).toMatchObject({ capped: true, max: 10, maxSize: 5120 });
    await db.command({ collMod: 'log', cappedSize: 10_000, cappedMax: 1 });
    expect(await log.options()).toEqual({ capped: true, size: 10_240, max: 1 });
    await expect(db.command({ collMod: 'none', cappedSize: 1 })).rejects.toMatchObject({ code: 26 });
    await db.createCollection('plain');
    await expect(db.command({ collMod: 'plain', cappedSize: 1 })).rejects.toMatchObject({ code: 72 });
  });

  test('a collection becomes capped, or is copied into a capped one', async () => {
    const db = server().freshDb();
    const plain = db.collection<Numbered>('plain');
    await plain.insertMany(Array.from({ length: 10 }, (_, _id) => ({ _id, text: 'x'.repeat(900) })));
    await plain.createIndex({ text: 1 });
    await db.command({ cloneCollectionAsCapped: 'plain', toCollection: 'copy', size: 4096 });
    expect(await ids(db.collection('copy'))).toEqual([6, 7, 8, 9]);
    await db.command({ convertToCapped: 'plain', size: 4096 });
    expect(await ids(plain)).toEqual([6, 7, 8, 9]);
    expect(await plain.isCapped()).toBe(true);
    expect(await plain.indexes()).toHaveLength(1);
    expect((await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name)).toEqual([
      'copy',
      'plain',
    ]);
    const clone = { cloneCollectionAsCapped: 'plain', toCollection: 'copy', size: 4096 };
    await expect(db.command(clone)).rejects.toMatchObject({ code: 48 });
    await expect(db.command({ convertToCapped: 'none', size: 4096 })).rejects.toMatchObject({ code: 26 });
  });

  test('a transaction does not write to it, and $out does not replace it', async () => {
    const db = server().freshDb();
    const log = await db.createCollection<Numbered>('log', { capped: true, size: 5000 });
    await server().client.withSession(async (session) => {
      session.startTransaction();
      await expect(log.insertOne({ _id: 1 }, { session })).rejects.toMatchObject({ code: 263 });
      await session.abortTransaction();
    });
    await db.collection('other').insertOne({});
    await expect(
      db
        .collection('other')
        .aggregate([{ $out: 'log' }])
        .toArray(),
    ).rejects.toMatchObject({ code: 17152 });
  });

  test('its documents do not expire by an index', async () => {
    const log = await server().freshDb().createCollection('log', { capped: true, size: 5000 });
    await expect(log.createIndex({ at: 1 }, { expireAfterSeconds: 1 })).rejects.toMatchObject({ code: 67 });
  });

  test('it is the same after a restart', async () => {
    const dataDir = temporaryFolder();
    const open = async (): Promise<[Db, () => Promise<void>]> => {
      const mongo = await startEmbeddedMongo({ dataDir });
      const client = await MongoClient.connect(mongo.uri);
      return [client.db('d'), () => client.close().then(() => mongo.stop())];
    };
    const [before, stop] = await open();
    const log = await before.createCollection<Numbered>('log', { capped: true, size: 5000, max: 2 });
    await log.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    await before.createCollection('series', { timeseries: { timeField: 't', metaField: 'm' } });
    await before.collection('series').insertMany([
      { _id: 1 as never, t: new Date(0) },
      { _id: 1 as never, t: new Date(1) },
    ]);
    await before.collection('wild').createIndex({ '$**': 1 }, { wildcardProjection: { a: 1 } });
    await before.collection('wild').createIndex({ title: 'text' });
    await stop();
    const [after, end] = await open();
    const again = after.collection<Numbered>('log');
    expect(await ids(again)).toEqual([2, 3]);
    await again.insertOne({ _id: 4 });
    expect(await ids(again)).toEqual([3, 4]);
    expect(await after.collection('series').countDocuments()).toBe(2);
    expect((await after.collection('series').indexes()).map(({ name }) => name)).toEqual(['m_1_t_1']);
    expect((await after.collection('wild').indexes()).map(({ name }) => name)).toEqual(['_id_', '$**_1', 'title_text']);
    await end();
  });
});

describe('core/tailable-cursors', () => {
  const capped = (db: Db, max = 100): Promise<Collection<Numbered>> =>
    db.createCollection<Numbered>('log', { capped: true, size: 100_000, max });

  test('a waiting cursor is woken by what is inserted', async () => {
    const log = await capped(server().freshDb());
    await log.insertOne({ _id: 1 });
    const cursor = log.find({ _id: { $ne: 2 } }, { tailable: true, awaitData: true, maxAwaitTimeMS: 20_000 });
    expect(await cursor.next()).toEqual({ _id: 1 });
    const next = cursor.next();
    await log.insertOne({ _id: 2 });
    await log.insertOne({ _id: 3 });
    expect(await next).toEqual({ _id: 3 });
    await cursor.close();
  });

  test('a cursor that does not wait answers at once, and stays open', async () => {
    const db = server().freshDb();
    const log = await capped(db);
    await log.insertOne({ _id: 1 });
    const cursor = log.find({}, { tailable: true });
    expect(await cursor.tryNext()).toEqual({ _id: 1 });
    expect(await cursor.tryNext()).toBeNull();
    await log.insertOne({ _id: 2 });
    expect(await cursor.tryNext()).toEqual({ _id: 2 });
    expect(cursor.closed).toBe(false);
    await cursor.close();
  });

  test('waiting ends after maxTimeMS with an empty batch', async () => {
    const db = server().freshDb();
    await (await capped(db)).insertOne({ _id: 1 });
    const send = (command: Document): Promise<Document> =>
      rawCommand(server().mongo.port, { ...command, $db: db.databaseName });
    const { cursor } = await send({ find: 'log', tailable: true, awaitData: true });
    const getMore = Long.fromNumber(Number(cursor.id));
    const reply = await send({ getMore, collection: 'log', maxTimeMS: 30 });
    expect(reply.cursor).toMatchObject({ nextBatch: [], id: cursor.id });
    await send({ killCursors: 'log', cursors: [getMore] });
    expect(await send({ getMore, collection: 'log', maxTimeMS: 30 })).toMatchObject({ code: 43 });
    const unwaiting = await send({ find: 'log', tailable: true });
    const id = Long.fromNumber(Number(unwaiting.cursor.id));
    expect(await send({ getMore: id, collection: 'log', maxTimeMS: 30 })).toMatchObject({ code: 2 });
  });

  test('a cursor that was overrun is lost, and so is one whose collection is dropped', async () => {
    const db = server().freshDb();
    const log = await capped(db, 2);
    await log.insertOne({ _id: 1 });
    const overrun = log.find({}, { tailable: true });
    expect(await overrun.tryNext()).toEqual({ _id: 1 });
    await log.insertMany([{ _id: 2 }, { _id: 3 }, { _id: 4 }]);
    await expect(overrun.tryNext()).rejects.toMatchObject({ code: 136, codeName: 'CappedPositionLost' });
    const orphan = log.find({}, { tailable: true });
    expect(await orphan.tryNext()).toEqual({ _id: 3 });
    expect(await orphan.tryNext()).toEqual({ _id: 4 });
    await log.drop();
    await expect(orphan.tryNext()).rejects.toMatchObject({ code: 175 });
  });

  test('misuse is refused, and an empty collection gives no cursor', async () => {
    const db = server().freshDb();
    const log = await capped(db);
    expect(await log.find({}, { tailable: true }).toArray()).toEqual([]);
    const tail = (more: Document): Promise<Document> => db.command({ find: 'log', tailable: true, ...more });
    await expect(tail({ sort: { _id: 1 } })).rejects.toMatchObject({ code: 2 });
    await expect(tail({ singleBatch: true })).rejects.toMatchObject({ code: 2 });
    await expect(db.command({ find: 'log', awaitData: true })).rejects.toMatchObject({ code: 9 });
    await db.collection('plain').insertOne({});
    await expect(db.command({ find: 'plain', tailable: true })).rejects.toMatchObject({ code: 2 });
  });
});

describe('core/clustered-collections', () => {
  const clusteredIndex = { key: { _id: 1 }, unique: true, name: 'by id' };

  test('is listed, and kept in the order of _id', async () => {
    const db = server().freshDb();
    const stock = await db.createCollection<Numbered>('stock', { clusteredIndex });
    await stock.insertMany([5, 1, 3].map((_id) => ({ _id, n: _id % 2 })));
    expect(await ids(stock)).toEqual([1, 3, 5]);
    expect((await stock.find().sort({ $natural: -1 }).toArray()).map(({ _id }) => _id)).toEqual([5, 3, 1]);
    expect(await stock.indexes()).toEqual([{ v: 2, key: { _id: 1 }, name: 'by id', unique: true, clustered: true }]);
    const [listed] = await db.listCollections().toArray();
    expect(listed).toMatchObject({ type: 'collection', options: { clusteredIndex: { v: 2, ...clusteredIndex } } });
    await expect(stock.insertOne({ _id: 1 })).rejects.toMatchObject({ code: 11000 });
    await expect(stock.dropIndex('by id')).rejects.toMatchObject({ code: 72 });
  });

  test.each<[string, Document, string]>([
    ['an equality', { _id: 3 }, 'EXPRESS_CLUSTERED_IXSCAN'],
    ['a range', { _id: { $gte: 3 } }, 'CLUSTERED_IXSCAN'],
    ['another field', { n: 1 }, 'COLLSCAN'],
  ])('%s on the _id is explained', async (_name, filter, stage) => {
    const stock = await server().freshDb().createCollection<Numbered>('stock', { clusteredIndex });
    await stock.insertMany([5, 1, 3].map((_id) => ({ _id, n: _id % 2 })));
    expect((await stock.find(filter).explain()).queryPlanner.winningPlan.stage).toBe(stage);
  });
});

describe('core/timeseries-collections', () => {
  const timeseries = { timeField: 't', metaField: 'm', granularity: 'minutes' };
  const at = (minute: number): Date => new Date(Date.UTC(2024, 0, 1, 0, minute));
  const series = async (db: Db): Promise<Collection<Document>> => {
    const weather = await db.createCollection('weather', { timeseries });
    await weather.insertMany([
      { t: at(2), m: { city: 'a' }, c: 3 },
      { t: at(1), m: { city: 'b' }, c: 1 },
      { t: at(3), m: { city: 'a' }, c: 5 },
    ]);
    return weather;
  };

  test('is listed as what it is, with its buckets', async () => {
    const db = server().freshDb();
    const weather = await series(db);
    expect(await db.listCollections({ name: 'weather' }).toArray()).toEqual([
      {
        name: 'weather',
        type: 'timeseries',
        options: { timeseries: { ...timeseries, bucketMaxSpanSeconds: 86_400 } },
        info: { readOnly: false },
      },
    ]);
    expect((await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name).sort()).toEqual([
      'system.buckets.weather',
      'system.views',
      'weather',
    ]);
    expect((await weather.indexes()).map(({ key }) => key)).toEqual([{ m: 1, t: 1 }]);
    expect(await db.command({ collStats: 'weather' })).toMatchObject({
      count: 3,
      timeseries: { bucketsNs: `${db.databaseName}.system.buckets.weather` },
    });
  });

  test('is queried like any collection', async () => {
    const weather = await series(server().freshDb());
    expect(await weather.countDocuments({ 'm.city': 'a' })).toBe(2);
    expect(await weather.distinct('m.city')).toEqual(['a', 'b']);
    expect(
      (
        await weather
          .find({ t: { $gte: at(2) } })
          .sort({ t: 1 })
          .toArray()
      ).map(({ c }) => c),
    ).toEqual([3, 5]);
    expect(
      await weather.aggregate([{ $group: { _id: '$m.city', max: { $max: '$c' } } }, { $sort: { _id: 1 } }]).toArray(),
    ).toEqual([
      { _id: 'a', max: 5 },
      { _id: 'b', max: 1 },
    ]);
    const first = await weather.findOne({ c: 3 });
    expect(Object.keys(first ?? {}).slice(0, 2)).toEqual(['t', 'm']);
  });

  test('takes several measurements of one _id, and none without a time', async () => {
    const weather = await series(server().freshDb());
    await weather.insertMany([
      { _id: 7 as never, t: at(5) },
      { _id: 7 as never, t: at(6) },
    ]);
    expect(await weather.countDocuments({ _id: 7 as never })).toBe(2);
    await expect(weather.insertOne({ c: 1 })).rejects.toMatchObject({ code: 2 });
    await expect(weather.insertOne({ t: 'now' })).rejects.toMatchObject({ code: 2 });
  });

  test('changes of the metadata of many are taken, others refused', async () => {
    const weather = await series(server().freshDb());
    const changed = await weather.updateMany({ 'm.city': 'a' }, { $set: { 'm.city': 'c' } });
    expect(changed.modifiedCount).toBe(2);
    const refused: (() => Promise<unknown>)[] = [
      () => weather.updateOne({ 'm.city': 'c' }, { $set: { m: 1 } }),
      () => weather.updateMany({ c: 1 }, { $set: { m: 1 } }),
      () => weather.updateMany({ m: 1 }, { $set: { c: 1 } }),
      () => weather.updateMany({ m: 1 }, { $set: { m: 2 } }, { upsert: true }),
      () => weather.updateMany({ m: 1 }, [{ $set: { m: 2 } }]),
      () => weather.findOneAndUpdate({ m: 1 }, { $set: { m: 2 } }),
    ];
    for (const change of refused) await expect(change()).rejects.toMatchObject({ code: 72 });
    expect((await weather.deleteMany({ c: { $gte: 3 } })).deletedCount).toBe(2);
  });

  test('some indexes are refused, and writes in transactions', async () => {
    const db = server().freshDb();
    const weather = await series(db);
    await weather.createIndex({ 'm.city': 1 });
    await weather.createIndex({ t: -1 });
    await expect(weather.createIndex({ c: 1 }, { unique: true })).rejects.toMatchObject({ code: 72 });
    await expect(weather.createIndex({ c: 1 }, { sparse: true })).rejects.toMatchObject({ code: 72 });
    await expect(weather.createIndex({ c: 'text' })).rejects.toMatchObject({ code: 72 });
    await expect(weather.createIndex({ m: 'hashed' })).rejects.toMatchObject({ code: 72 });
    const rename = { renameCollection: `${db.databaseName}.weather`, to: `${db.databaseName}.other`, $db: 'admin' };
    expect(await rawCommand(server().mongo.port, rename)).toMatchObject({ code: 20, codeName: 'IllegalOperation' });
    await server().client.withSession(async (session) => {
      session.startTransaction();
      await expect(weather.insertOne({ t: at(0) }, { session })).rejects.toMatchObject({ code: 263 });
      await session.abortTransaction();
    });
  });

  test('what is too old is removed, as in a clustered collection by its _id', { timeout: 10_000 }, async () => {
    const db = server().freshDb();
    await server().client.db('admin').command({ setParameter: 1, ttlMonitorSleepSecs: 0.05 });
    const old = new Date(Date.now() - 120_000);
    const short = await db.createCollection('short', { timeseries, expireAfterSeconds: 60 });
    await short.insertMany([{ t: old }, { t: new Date() }]);
    const clustered = await db.createCollection<{ _id: Date }>('clustered', {
      clusteredIndex: { key: { _id: 1 }, unique: true },
      expireAfterSeconds: 60,
    });
    await clustered.insertMany([{ _id: old }, { _id: new Date() }]);
    await expect.poll(() => short.countDocuments(), { timeout: 5000, interval: 20 }).toBe(1);
    await expect.poll(() => clustered.countDocuments(), { timeout: 5000, interval: 20 }).toBe(1);
  });
});
