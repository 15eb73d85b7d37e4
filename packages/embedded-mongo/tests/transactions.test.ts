import { type ClientSession, Long, MongoClient, MongoServerError, UUID } from 'mongodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startEmbeddedMongo } from '../src/index.ts';
import { temporaryFolder } from './support/folder.ts';
import { Random, seedOf } from './support/random.ts';
import { rawCommand } from './support/raw.ts';
import { useServer } from './support/server.ts';

const server = useServer();

interface Account {
  _id: number;
  balance: number;
}

function open(): ClientSession {
  const session = server().client.startSession();
  session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' } });
  onTestFinished(() => session.endSession());
  return session;
}

describe('isolation (core/transactions)', () => {
  test('a transaction reads its snapshot and its own writes; others see them after the commit only', async () => {
    const c = server().freshDb().collection<Account>('c');
    await c.createIndex({ balance: 1 });
    await c.insertMany([
      { _id: 1, balance: 10 },
      { _id: 2, balance: 20 },
    ]);
    const session = open();
    expect(await c.countDocuments({}, { session })).toBe(2);
    await c.insertOne({ _id: 3, balance: 30 });
    await c.updateOne({ _id: 1 }, { $set: { balance: 11 } }, { session });
    await c.insertOne({ _id: 4, balance: 40 }, { session });
    await c.deleteOne({ _id: 2 }, { session });
    expect(
      await c
        .find({ balance: { $gt: 0 } }, { session })
        .sort({ balance: 1 })
        .toArray(),
    ).toEqual([
      { _id: 1, balance: 11 },
      { _id: 4, balance: 40 },
    ]);
    expect(await c.distinct('balance', {}, { session })).toEqual([11, 40]);
    expect(await c.distinct('balance')).toEqual([10, 20, 30]);
    await session.commitTransaction();
    expect(await c.find().sort({ balance: 1 }).toArray()).toEqual([
      { _id: 1, balance: 11 },
      { _id: 3, balance: 30 },
      { _id: 4, balance: 40 },
    ]);
  });

  test('an aborted transaction leaves nothing', async () => {
    const db = server().freshDb();
    const c = db.collection<Account>('c');
    await c.insertOne({ _id: 1, balance: 10 });
    const session = open();
    await c.updateMany({}, { $inc: { balance: 1 } }, { session });
    await db.collection('made').insertOne({}, { session });
    await session.abortTransaction();
    expect(await c.findOne()).toEqual({ _id: 1, balance: 10 });
    expect((await db.listCollections().toArray()).map(({ name }) => name)).toEqual(['c']);
  });

  test('bank transfers keep the sum at every snapshot', { timeout: 60_000 }, async () => {
    const seed = seedOf('EMBEDDED_MONGO_SEED');
    console.log(`bank transfers: seed ${seed}`);
    const random = new Random(seed);
    const db = server().freshDb().databaseName;
    const ACCOUNTS = 12;
    const setup = server().client.db(db).collection<Account>('accounts');
    await setup.createIndex({ balance: 1 });
    await setup.insertMany(Array.from({ length: ACCOUNTS }, (_, _id) => ({ _id, balance: 100 })));
    let attempts = 0;
    let transfers = 0;
    let working = true;
    const worker = async (): Promise<void> => {
      const client = await MongoClient.connect(server().mongo.uri);
      const accounts = client.db(db).collection<Account>('accounts');
      for (let i = 0; i < 20; i++) {
        const from = random.below(ACCOUNTS);
        const to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
        const amount = 1 + random.below(60);
        await client.withSession((session) =>
          session.withTransaction(async () => {
            attempts += 1;
            const taken = await accounts.updateOne(
              { _id: from, balance: { $gte: amount } },
              { $inc: { balance: -amount } },
              { session },
            );
            if (taken.modifiedCount === 0) return;
            await accounts.updateOne({ _id: to }, { $inc: { balance: amount } }, { session });
          }),
        );
        transfers += 1;
      }
      await client.close();
    };
    let sums = 0;
    const reader = async (): Promise<void> => {
      while (working) {
        const session = server().client.startSession();
        session.startTransaction({ readConcern: { level: 'snapshot' } });
        const all = await setup.find({}, { session, batchSize: 5 }).toArray();
        const byIndex = await setup.find({ balance: { $gte: 0 } }, { session }).toArray();
        await session.commitTransaction();
        await session.endSession();
        for (const read of [all, byIndex]) {
          expect(
            read.reduce((sum, { balance }) => sum + balance, 0),
            `seed ${seed}`,
          ).toBe(ACCOUNTS * 100);
          expect(read.every(({ balance }) => balance >= 0)).toBe(true);
        }
        const [plain] = await setup.aggregate([{ $group: { _id: null, sum: { $sum: '$balance' } } }]).toArray();
        expect(plain?.sum).toBe(ACCOUNTS * 100);
        sums += 1;
      }
    };
    const readers = [reader(), reader()];
    await Promise.all(Array.from({ length: 16 }, worker)).finally(() => {
      working = false;
    });
    await Promise.all(readers);
    expect(transfers).toBe(320);
    expect(attempts).toBeGreaterThan(320);
    expect(sums).toBeGreaterThan(3);
  });

  test('write skew is possible, a lost update is not', async () => {
    const c = server().freshDb().collection<Account>('c');
    await c.insertMany([
      { _id: 1, balance: 1 },
      { _id: 2, balance: 1 },
    ]);
    const [a, b] = [open(), open()];
    expect(await c.countDocuments({ balance: 1 }, { session: a })).toBe(2);
    expect(await c.countDocuments({ balance: 1 }, { session: b })).toBe(2);
    await c.updateOne({ _id: 1 }, { $set: { balance: 0 } }, { session: a });
    await c.updateOne({ _id: 2 }, { $set: { balance: 0 } }, { session: b });
    await a.commitTransaction();
    await b.commitTransaction();
    expect(await c.countDocuments({ balance: 0 })).toBe(2);
    const late = open();
    await c.findOne({ _id: 1 }, { session: late });
    await c.updateOne({ _id: 1 }, { $inc: { balance: 5 } });
    const error = await c.updateOne({ _id: 1 }, { $inc: { balance: 1 } }, { session: late }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(MongoServerError);
    expect(error).toMatchObject({ code: 112, codeName: 'WriteConflict' });
    expect((error as MongoServerError).hasErrorLabel('TransientTransactionError')).toBe(true);
    await late.abortTransaction();
    expect(await c.findOne({ _id: 1 })).toEqual({ _id: 1, balance: 5 });
  });
});

describe('conflicts', () => {
  test('of two open transactions the second to write is refused', async () => {
    const c = server().freshDb().collection<Account>('c');
    await c.insertOne({ _id: 1, balance: 1 });
    const [a, b] = [open(), open()];
    await c.deleteOne({ _id: 1 }, { session: a });
    await expect(c.findOneAndUpdate({ _id: 1 }, { $inc: { balance: 1 } }, { session: b })).rejects.toMatchObject({
      code: 112,
    });
    await a.abortTransaction();
    expect(await c.findOne()).toEqual({ _id: 1, balance: 1 });
  });

  test('unique keys are reserved at once', async () => {
    const c = server().freshDb().collection('c');
    await c.createIndex({ email: 1 }, { unique: true });
    const [a, b] = [open(), open()];
    await c.insertOne({ email: 'x' }, { session: a });
    await expect(c.insertOne({ email: 'x' }, { session: b })).rejects.toMatchObject({ code: 112 });
    await a.commitTransaction();
    await expect(c.insertOne({ email: 'x' })).rejects.toMatchObject({ code: 11000 });
    const d = open();
    expect(await c.findOne({ email: 'y' }, { session: d })).toBeNull();
    await c.insertOne({ email: 'y' });
    await expect(c.insertOne({ email: 'y' }, { session: d })).rejects.toMatchObject({ code: 112 });
    const e = open();
    await expect(c.insertOne({ email: 'y' }, { session: e })).rejects.toMatchObject({ code: 11000 });
  });

  test('unique keys can be exchanged within a transaction', async () => {
    const c = server().freshDb().collection<{ _id: number; rank: number }>('c');
    await c.createIndex({ rank: 1 }, { unique: true });
    await c.insertMany([
      { _id: 1, rank: 1 },
      { _id: 2, rank: 2 },
    ]);
    const session = open();
    await c.updateOne({ _id: 1 }, { $set: { rank: 9 } }, { session });
    await c.updateOne({ _id: 2 }, { $set: { rank: 1 } }, { session });
    await c.updateOne({ _id: 1 }, { $set: { rank: 2 } }, { session });
    await session.commitTransaction();
    expect(await c.find().sort({ rank: 1 }).hint({ rank: 1 }).toArray()).toEqual([
      { _id: 2, rank: 1 },
      { _id: 1, rank: 2 },
    ]);
    await expect(c.insertOne({ _id: 3, rank: 2 })).rejects.toMatchObject({ code: 11000 });
  });

  test('a write outside waits for the transaction and then goes on', async () => {
    const db = server().freshDb();
    const c = db.collection<Account>('c');
    await c.insertOne({ _id: 1, balance: 1 });
    const session = open();
    await c.updateOne({ _id: 1 }, { $inc: { balance: 10 } }, { session });
    await c.insertOne({ _id: 7, balance: 0 }, { session });
    await expect(
      db.command({ update: 'c', updates: [{ q: { _id: 1 }, u: { $inc: { balance: 1 } } }], maxTimeMS: 30 }),
    ).rejects.toMatchObject({ code: 50 });
    const outside = c.updateOne({ _id: 1 }, { $inc: { balance: 100 } });
    const duplicate = c.insertOne({ _id: 7, balance: 5 }).catch((error: unknown) => error);
    const index = c.createIndex({ balance: 1 });
    await session.commitTransaction();
    expect(await outside).toMatchObject({ modifiedCount: 1 });
    expect(await duplicate).toMatchObject({ code: 11000 });
    expect(await index).toBe('balance_1');
    expect(await c.findOne({ _id: 1 })).toEqual({ _id: 1, balance: 111 });
  });

  test('a collection that has changed since the snapshot cannot be read', async () => {
    const db = server().freshDb();
    await db.collection('a').insertOne({});
    await db.collection('b').insertOne({});
    const session = open();
    await db.collection('a').findOne({}, { session });
    await db.collection('b').createIndex({ x: 1 });
    await expect(db.collection('b').findOne({}, { session })).rejects.toMatchObject({ code: 246 });
  });
});

describe('the life of a transaction', () => {
  const admin = (command: object) => rawCommand(server().mongo.port, { ...command, $db: 'admin' });

  test('numbers, repetitions and ends', async () => {
    const db = server().freshDb().databaseName;
    const { port } = server().mongo;
    const lsid = { id: new UUID() };
    const of = (number: number) => ({ lsid, txnNumber: Long.fromNumber(number), autocommit: false });
    const insert = (number: number, first: boolean) =>
      rawCommand(port, {
        insert: 'c',
        documents: [{ number }],
        ...of(number),
        ...(first ? { startTransaction: true } : {}),
        $db: db,
      });
    expect(await insert(5, false)).toMatchObject({ code: 251, errorLabels: ['TransientTransactionError'] });
    expect(await insert(5, true)).toMatchObject({ ok: 1, n: 1 });
    expect(await insert(5, true)).toMatchObject({ code: 117 });
    expect(await insert(4, true)).toMatchObject({ code: 225 });
    expect(await admin({ commitTransaction: 1, ...of(5) })).toMatchObject({ ok: 1 });
    expect(await admin({ commitTransaction: 1, ...of(5) })).toMatchObject({ ok: 1 });
    expect(await admin({ abortTransaction: 1, ...of(5) })).toMatchObject({ code: 256 });
    expect(await insert(5, false)).toMatchObject({ code: 256 });
    expect(await insert(6, true)).toMatchObject({ ok: 1 });
    expect(await insert(7, true)).toMatchObject({ ok: 1 });
    expect(await admin({ commitTransaction: 1, ...of(6) })).toMatchObject({ code: 225 });
    expect(await admin({ abortTransaction: 1, ...of(7) })).toMatchObject({ ok: 1 });
    expect(await admin({ abortTransaction: 1, ...of(7) })).toMatchObject({ code: 251 });
    expect(await admin({ commitTransaction: 1, ...of(7) })).toMatchObject({ code: 251 });
    expect(await insert(8, true)).toMatchObject({ ok: 1 });
    expect(await admin({ killSessions: [lsid] })).toMatchObject({ ok: 1 });
    expect(await insert(8, false)).toMatchObject({ code: 251 });
    expect(await server().client.db(db).collection('c').distinct('number')).toEqual([5]);
  });

  test('what MongoDB refuses', async () => {
    const db = server().freshDb();
    const c = db.collection('c');
    await c.insertOne({ _id: 1 as never });
    const refused: [string, (session: ClientSession) => Promise<unknown>, number][] = [
      ['count', (session) => db.command({ count: 'c' }, { session }), 263],
      ['drop', (session) => db.command({ drop: 'c' }, { session }), 263],
      ['listCollections', (session) => db.command({ listCollections: 1 }, { session }), 263],
      ['an index of a collection that exists', (session) => c.createIndex({ x: 1 }, { session }), 263],
      ['$out', (session) => c.aggregate([{ $out: 'o' }], { session }).toArray(), 263],
      ['the database admin', (session) => server().client.db('admin').collection('c').findOne({}, { session }), 263],
      [
        'prepareTransaction',
        (session) => server().client.db('admin').command({ prepareTransaction: 1 }, { session }),
        59,
      ],
    ];
    for (const [name, run, code] of refused) {
      const session = open();
      await expect(run(session), name).rejects.toMatchObject({ code });
      await session.abortTransaction();
    }
  });

  test('an error ends it', async () => {
    const c = server().freshDb().collection<Account>('c');
    await c.insertOne({ _id: 1, balance: 1 });
    const session = open();
    await c.insertOne({ _id: 2, balance: 2 }, { session });
    await expect(c.insertOne({ _id: 1, balance: 2 }, { session })).rejects.toMatchObject({ code: 11000 });
    await expect(c.findOne({}, { session })).rejects.toMatchObject({ code: 251 });
    expect(await c.countDocuments()).toBe(1);
  });

  test('a collection that is there cannot be made in it', async () => {
    const db = server().freshDb();
    await db.createCollection('c');
    const session = open();
    await expect(db.createCollection('c', { session })).rejects.toMatchObject({ code: 48 });
  });

  test('collections and their indexes may be made in it', async () => {
    const db = server().freshDb();
    const session = open();
    await db.createCollection('made', { session });
    await db.collection('made').createIndex({ x: 1 }, { unique: true, session });
    await db.collection<Account>('made').insertOne({ _id: 1, balance: 1 }, { session });
    await db.collection('other').insertOne({ x: 1 }, { session });
    const second = open();
    await expect(db.collection('other').insertOne({ x: 1 }, { session: second })).rejects.toMatchObject({ code: 112 });
    await session.commitTransaction();
    expect((await db.collection('made').indexes()).map(({ name }) => name)).toEqual(['_id_', 'x_1']);
    expect(await db.collection('other').countDocuments({ x: 1 })).toBe(1);
  });

  test('a cursor belongs to its transaction and ends with it', async () => {
    const db = server().freshDb();
    const c = db.collection('c');
    await c.insertMany(Array.from({ length: 10 }, (_, i) => ({ i })));
    const session = open();
    const cursor = c.find({}, { session, batchSize: 2 });
    await cursor.next();
    const id = cursor.id as Long;
    await c.insertOne({ i: 10 });
    await expect(db.command({ getMore: id, collection: 'c' })).rejects.toMatchObject({ code: 50741 });
    expect(await cursor.toArray()).toHaveLength(9);
    await session.abortTransaction();
  });

  test('it expires', async () => {
    const mongo = await startEmbeddedMongo();
    const client = await MongoClient.connect(mongo.uri);
    onTestFinished(async () => {
      await client.close();
      await mongo.stop();
    });
    await client.db('admin').command({ setParameter: 1, transactionLifetimeLimitSeconds: 1 });
    const c = client.db('x').collection<Account>('c');
    await c.insertOne({ _id: 1, balance: 1 });
    const session = client.startSession();
    session.startTransaction();
    await c.updateOne({ _id: 1 }, { $inc: { balance: 1 } }, { session });
    // It waits until the transaction has expired.
    await c.updateOne({ _id: 1 }, { $inc: { balance: 10 } });
    expect(await c.findOne()).toEqual({ _id: 1, balance: 11 });
    await expect(session.commitTransaction()).rejects.toMatchObject({ code: 251 });
  });
});

test('a commit is whole or not at all after kill -9, and its repetition is answered', { timeout: 60_000 }, async () => {
  const seed = seedOf('EMBEDDED_MONGO_SEED');
  const random = new Random(seed);
  const dataDir = temporaryFolder();
  const acknowledged = new Set<number>();
  let next = 0;
  let last: { lsid: { id: UUID }; txnNumber: Long; autocommit: boolean } | undefined;
  for (let round = 0; round < 3; round++) {
    const mongo = await startEmbeddedMongo({ dataDir });
    const client = await MongoClient.connect(mongo.uri, { serverSelectionTimeoutMS: 500 });
    const c = client.db('t').collection<{ batch: number; i: number }>('c');
    if (last !== undefined) {
      const repeated = await rawCommand(mongo.port, { commitTransaction: 1, ...last, $db: 'admin' });
      expect(repeated, `seed ${seed}`).toMatchObject({ ok: 1 });
    }
    const counts = await c
      .aggregate<{ _id: number; n: number }>([{ $group: { _id: '$batch', n: { $sum: 1 } } }])
      .toArray();
    for (const { _id, n } of counts) expect(n, `seed ${seed}, batch ${_id}`).toBe(5);
    const found = new Set(counts.map(({ _id }) => _id));
    for (const batch of acknowledged) expect(found.has(batch), `seed ${seed}, batch ${batch}`).toBe(true);
    const most = acknowledged.size + 10 + random.below(40);
    const worker = async (): Promise<void> => {
      for (;;) {
        const batch = next++;
        const of = { lsid: { id: new UUID() }, txnNumber: Long.fromNumber(1), autocommit: false };
        for (let i = 0; i < 5; i++) {
          const first = i === 0 ? { startTransaction: true } : {};
          await rawCommand(mongo.port, { insert: 'c', documents: [{ batch, i }], ...of, ...first, $db: 't' });
        }
        await rawCommand(mongo.port, { commitTransaction: 1, ...of, $db: 'admin' });
        acknowledged.add(batch);
        last = of;
        if (acknowledged.size >= most) throw new Error('enough');
      }
    };
    await c.insertMany(Array.from({ length: 5 }, (_, i) => ({ batch: -1 - round, i })));
    const workers = Array.from({ length: 4 }, () => worker().catch(() => {}));
    await Promise.race(workers);
    process.kill(mongo.pid, 'SIGKILL');
    await mongo.stop();
    // What was on its way when the server died gets no answer.
    await client.close(true);
  }
  expect(acknowledged.size).toBeGreaterThan(20);
});
