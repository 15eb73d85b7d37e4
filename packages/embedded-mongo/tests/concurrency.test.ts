import { once } from 'node:events';
import { connect } from 'node:net';
import { type Document, Long, MongoClient, MongoServerError, UUID } from 'mongodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { encodeMessage, rawCommand, readMessage } from './support/raw.ts';
import { useServer } from './support/server.ts';

const server = useServer();
const times = <T>(count: number, run: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => run(i)));

/** Connections of their own, so that the commands really arrive side by side. */
async function clients(count: number): Promise<MongoClient[]> {
  const opened = await times(count, () => MongoClient.connect(server().mongo.uri));
  onTestFinished(async () => {
    await Promise.all(opened.map((client) => client.close()));
  });
  return opened;
}

describe('commands on one document', () => {
  test('conditional updates never overshoot', async () => {
    const db = server().freshDb().databaseName;
    const pool = await clients(8);
    const accounts = pool.map((client) =>
      client.db(db).collection<{ _id: string; used: number; limit: number }>('accounts'),
    );
    await accounts[0]?.insertOne({ _id: 'a', used: 0, limit: 10 });
    const results = await times(300, async (i) => {
      const accepted = await accounts[i % 8]?.findOneAndUpdate(
        { _id: 'a', $expr: { $lte: [{ $add: ['$used', 1] }, '$limit'] } },
        [{ $set: { used: { $add: ['$used', 1] } } }],
        { returnDocument: 'after' },
      );
      return accepted?.used;
    });
    const won = results.filter((used) => used !== undefined).sort((a, b) => a - b);
    expect(won).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('increments are not lost', async () => {
    const counters = server().freshDb().collection<{ _id: string; n: number }>('counters');
    await times(200, () =>
      counters
        .updateOne({ _id: 'c' }, { $inc: { n: 1 } }, { upsert: true })
        .catch(() => counters.updateOne({ _id: 'c' }, { $inc: { n: 1 } })),
    );
    expect(await counters.findOne({ _id: 'c' })).toEqual({ _id: 'c', n: 200 });
  });
});

describe('reads side by side whose first batches take long', () => {
  test('each go on with their own documents', async () => {
    const db = server().freshDb();
    const rows = db.collection<{ _id: number; reader: number }>('rows');
    const READERS = 4;
    // What they look for stands at the end, so that all of them are still at their first batch when the last one begins.
    const readerOf = (_id: number) => (_id < 36_000 ? -1 : _id % READERS);
    await rows.insertMany(Array.from({ length: 40_000 }, (_, _id) => ({ _id, reader: readerOf(_id) })));
    const pool = await clients(READERS);
    await Promise.all(pool.map((client) => client.db().command({ ping: 1 })));
    const read = await times(READERS, async (reader) =>
      pool[reader]
        ?.db(db.databaseName)
        .collection<{ _id: number; reader: number }>('rows')
        .find({ $expr: { $eq: ['$reader', reader] } }, { batchSize: 400 })
        .toArray(),
    );
    for (const [reader, found] of read.entries()) {
      expect(found?.map(({ _id }) => _id)).toEqual(
        Array.from({ length: 1_000 }, (_, i) => 36_000 + i * READERS + reader),
      );
    }
  });
});

describe('a unique index under a race', () => {
  test('has exactly one winner, and E11000 names the key', async () => {
    const users = server().freshDb().collection('users');
    await users.createIndex({ email: 1, tenant: -1 }, { unique: true, name: 'email' });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => users.insertOne({ email: 'a@b', tenant: 7, i })),
    );
    const losers = results
      .filter((result) => result.status === 'rejected')
      .map((result) => result.reason as MongoServerError);
    expect(losers).toHaveLength(19);
    for (const error of losers) {
      expect(error).toBeInstanceOf(MongoServerError);
      expect(error).toMatchObject({
        code: 11000,
        keyPattern: { email: 1, tenant: -1 },
        keyValue: { email: 'a@b', tenant: 7 },
        errmsg: expect.stringMatching(
          /^E11000 duplicate key error collection: test\d+\.users index: email dup key: \{ email: "a@b", tenant: 7 \}$/,
        ),
      });
    }
  });

  test('upserts of one key end as one document', async () => {
    const users = server().freshDb().collection<{ key: string; n: number }>('users');
    await users.createIndex({ key: 1 }, { unique: true });
    const results = await times(50, () => users.updateOne({ key: 'a' }, { $inc: { n: 1 } }, { upsert: true }));
    expect(results.filter((result) => result.upsertedCount === 1)).toHaveLength(1);
    expect(await users.find({}, { projection: { _id: 0 } }).toArray()).toEqual([{ key: 'a', n: 50 }]);
  });

  test('a refused change leaves all indexes as they were', async () => {
    const users = server().freshDb().collection<{ _id: number; a: number; b: number }>('users');
    await users.createIndex({ a: 1 });
    await users.createIndex({ b: 1 }, { unique: true });
    await users.insertMany([
      { _id: 1, a: 1, b: 1 },
      { _id: 2, a: 2, b: 2 },
    ]);
    await expect(users.updateOne({ _id: 2 }, { $set: { a: 9, b: 1 } })).rejects.toMatchObject({ code: 11000 });
    await expect(users.insertOne({ _id: 3, a: 9, b: 2 })).rejects.toMatchObject({ code: 11000 });
    expect(await users.find({ a: 9 }).toArray()).toEqual([]);
    expect(await users.find({ a: 2 }).toArray()).toEqual([{ _id: 2, a: 2, b: 2 }]);
  });

  test('partial, sparse and multikey ones', async () => {
    const db = server().freshDb();
    const partial = db.collection('partial');
    await partial.createIndex({ k: 1 }, { unique: true, partialFilterExpression: { deletedAt: { $eq: null } } });
    await partial.insertMany([{ k: 1, deletedAt: new Date() }, { k: 1, deletedAt: new Date() }, { k: 1 }]);
    await expect(partial.insertOne({ k: 1 })).rejects.toMatchObject({ code: 11000 });
    await expect(partial.updateMany({}, { $unset: { deletedAt: '' } })).rejects.toMatchObject({ code: 11000 });
    const sparse = db.collection('sparse');
    await sparse.createIndex({ k: 1 }, { unique: true, sparse: true });
    await sparse.insertMany([{}, {}]);
    const plain = db.collection('plain');
    await plain.createIndex({ k: 1 }, { unique: true });
    await plain.insertOne({});
    await expect(plain.insertOne({})).rejects.toMatchObject({ code: 11000, keyValue: { k: null } });
    const multikey = db.collection('multikey');
    await multikey.createIndex({ k: 1 }, { unique: true });
    await multikey.insertOne({ k: [1, 2, 2] });
    await expect(multikey.insertOne({ k: [3, 2] })).rejects.toMatchObject({ code: 11000, keyValue: { k: 2 } });
    await expect(multikey.createIndex({ k: 1, x: 1 }, { unique: true })).resolves.toBe('k_1_x_1');
    await multikey.insertMany([
      { k: 8, same: 1 },
      { k: 9, same: 1 },
    ]);
    await expect(multikey.createIndex({ same: 1 }, { unique: true })).rejects.toMatchObject({ code: 11000 });
    expect((await multikey.indexes()).map(({ name }) => name)).toEqual(['_id_', 'k_1', 'k_1_x_1']);
  });
});

describe('retryable writes (core/retryable-writes)', () => {
  test('a repeated write gets its reply again and is not applied again', async () => {
    const db = server().freshDb();
    const base = { lsid: { id: new UUID() }, txnNumber: Long.fromNumber(5), $db: db.databaseName };
    const { port } = server().mongo;
    const increment = { update: 'c', updates: [{ q: { _id: 1 }, u: { $inc: { n: 1 } }, upsert: true }], ...base };
    const first = await rawCommand(port, increment);
    expect(first).toMatchObject({ ok: 1, n: 1 });
    expect(await rawCommand(port, increment)).toEqual(first);
    expect(await db.collection('c').findOne()).toMatchObject({ n: 1 });
    const next = { ...increment, txnNumber: Long.fromNumber(6) };
    expect(await rawCommand(port, next)).toMatchObject({ nModified: 1 });
    expect(await rawCommand(port, increment)).toMatchObject({ ok: 0, code: 225 });
    const take = {
      findAndModify: 'c',
      query: { _id: 1 },
      update: { $inc: { n: 1 } },
      new: true,
      ...base,
      txnNumber: Long.fromNumber(7),
    };
    expect(await rawCommand(port, take)).toMatchObject({ value: { n: 3 } });
    expect(await rawCommand(port, take)).toMatchObject({ value: { n: 3 } });
    const insert = { insert: 'c', documents: [{ _id: 2 }], ...base, txnNumber: Long.fromNumber(8) };
    expect(await rawCommand(port, insert)).toMatchObject({ n: 1 });
    expect(await rawCommand(port, insert)).not.toHaveProperty('writeErrors');
  });
});

describe('long commands', () => {
  test('let others run in between, and see the data of one moment', { timeout: 30_000 }, async () => {
    const db = server().freshDb();
    const docs = db.collection<{ _id: number; n: number }>('docs');
    for (let i = 0; i < 4; i++)
      await docs.insertMany(Array.from({ length: 10_000 }, (_, k) => ({ _id: i * 10_000 + k, n: 1 })));
    // A join of everything with itself that never matches: seconds of work in one command.
    const pipeline = [
      { $set: { list: { $range: [0, 400] } } },
      {
        $match: {
          $expr: { $eq: [{ $sum: { $map: { input: '$list', in: { $multiply: ['$$this', '$n'] } } } }, 79_800] },
        },
      },
      { $group: { _id: null, count: { $sum: 1 }, n: { $sum: '$n' } } },
    ];
    const [other] = await clients(1);
    let running = true;
    const aggregation = docs
      .aggregate(pipeline)
      .toArray()
      .finally(() => {
        running = false;
      });
    let slowest = 0;
    let pings = 0;
    // Both are long; the one changes what the other is reading.
    const changing = docs.updateMany({ n: 1 }, { $set: { n: 2 } });
    while (running) {
      const started = performance.now();
      await other?.db('admin').command({ ping: 1 });
      slowest = Math.max(slowest, performance.now() - started);
      pings += 1;
    }
    expect(await aggregation).toEqual([{ _id: null, count: 40_000, n: 40_000 }]);
    expect(await changing).toMatchObject({ modifiedCount: 40_000 });
    expect(pings).toBeGreaterThan(5);
    console.log(`${pings} pings beside a long aggregation, the slowest in ${slowest.toFixed(1)} ms`);
  });

  const pipelines: [name: string, pipeline: Document[]][] = [
    ['$sort', [{ $sort: { r: 1, _id: -1 } }, { $group: { _id: null, n: { $sum: 1 } } }]],
    ['$group', [{ $group: { _id: '$r', all: { $push: '$_id' } } }, { $group: { _id: null, n: { $sum: 1 } } }]],
    [
      '$facet',
      [
        {
          $facet: {
            a: [{ $sort: { r: 1 } }, { $group: { _id: '$r' } }, { $count: 'n' }],
            b: [{ $bucketAuto: { groupBy: '$r', buckets: 10 } }],
          },
        },
      ],
    ],
    [
      '$setWindowFields',
      [
        {
          $setWindowFields: {
            sortBy: { r: 1 },
            output: { near: { $sum: '$r', window: { documents: [-20, 20] } }, rank: { $rank: {} } },
          },
        },
        { $group: { _id: null, n: { $sum: '$rank' } } },
      ],
    ],
  ];
  test('pause in the stages that need all of their input, and while an index is built', {
    timeout: 60_000,
  }, async () => {
    const docs = server().freshDb().collection('docs');
    for (let i = 0; i < 6; i++)
      await docs.insertMany(
        Array.from({ length: 10_000 }, (_, k) => ({ _id: (i * 10_000 + k) as never, r: (k * 7919 + i) % 30_011 })),
      );
    const [other] = await clients(1);
    const works: [string, () => Promise<unknown>][] = [
      ...pipelines.map(([name, pipeline]): [string, () => Promise<unknown>] => [
        name,
        () => docs.aggregate(pipeline).toArray(),
      ]),
      ['createIndexes', () => docs.createIndex({ r: 1, _id: -1 })],
    ];
    for (const [name, work] of works) {
      let running = true;
      const done = work().finally(() => {
        running = false;
      });
      const delays: number[] = [];
      while (running) {
        const started = performance.now();
        await other?.db('admin').command({ ping: 1 });
        delays.push(performance.now() - started);
      }
      await done;
      const slowest = Math.max(...delays);
      console.log(`${delays.length} pings beside ${name}, the slowest in ${slowest.toFixed(1)} ms`);
      // One slice is 10 ms; other processes of the machine may take their share.
      expect(delays.filter((delay) => delay > 100).length).toBeLessThan(Math.max(delays.length / 5, 2));
      expect(delays.length).toBeGreaterThan(2);
    }
    await docs.insertOne({ r: 1 });
    expect(await docs.find({ r: 1 }).hint('r_1__id_-1').toArray()).toHaveLength(await docs.countDocuments({ r: 1 }));
  });

  test('requests of one connection are answered in order', async () => {
    const socket = connect(server().mongo.port, '127.0.0.1');
    onTestFinished(() => {
      socket.destroy();
    });
    await once(socket, 'connect');
    const commands = Array.from({ length: 20 }, (_, i) => encodeMessage({ ping: 1, $db: 'admin' }, 100 + i));
    socket.write(Buffer.concat(commands));
    let received = Buffer.alloc(0);
    const answered: number[] = [];
    while (answered.length < 20) {
      received = Buffer.concat([received, ((await once(socket, 'data')) as [Buffer])[0]]);
      while (received.length >= 16 && received.length >= received.readInt32LE(0)) {
        answered.push(received.readInt32LE(8));
        received = received.subarray(received.readInt32LE(0));
      }
    }
    expect(answered).toEqual(Array.from({ length: 20 }, (_, i) => 100 + i));
  });
});

test('a message that arrives byte by byte is understood', async () => {
  const socket = connect(server().mongo.port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  socket.setNoDelay(true);
  for (const byte of encodeMessage({ ping: 1, $db: 'admin' })) socket.write(Buffer.from([byte]));
  expect((await readMessage(socket)).length).toBeGreaterThan(21);
});
