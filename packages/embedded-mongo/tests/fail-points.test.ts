import { type Document, MongoClient, type MongoServerError } from 'mongodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { useServer } from './support/server.ts';

const server = useServer();

async function failPoint(name: string, data: Document, mode: Document | string = { times: 1 }): Promise<void> {
  const admin = server().client.db('admin');
  await admin.command({ configureFailPoint: name, mode, data });
  onTestFinished(async () => {
    await admin.command({ configureFailPoint: name, mode: 'off' });
  });
}

const failCommand = (data: Document, mode?: Document | string): Promise<void> => failPoint('failCommand', data, mode);

async function client(options: object): Promise<MongoClient> {
  const opened = await MongoClient.connect(server().mongo.uri, options);
  onTestFinished(() => opened.close());
  return opened;
}

describe('failCommand (specification: retryable-writes, transactions)', () => {
  test('an error so many times, then none', async () => {
    const db = server().freshDb();
    await failCommand({ failCommands: ['ping'], errorCode: 8000 }, { times: 2 });
    await expect(db.command({ ping: 1 })).rejects.toMatchObject({ code: 8000 });
    await expect(db.command({ ping: 1 })).rejects.toMatchObject({ code: 8000 });
    expect(await db.command({ ping: 1 })).toMatchObject({ ok: 1 });
    await failCommand({ failCommands: ['ping'], errorCode: 8000 }, { skip: 1 });
    expect(await db.command({ ping: 1 })).toMatchObject({ ok: 1 });
    await expect(db.command({ ping: 1 })).rejects.toMatchObject({ code: 8000 });
  });

  test('a retryable write survives a closed connection and a server that steps down', async () => {
    const c = server().freshDb().collection('c');
    await failCommand({ failCommands: ['insert'], closeConnection: true });
    await c.insertOne({ n: 1 });
    await failCommand({ failCommands: ['insert'], errorCode: 91 });
    await c.insertOne({ n: 2 });
    await failCommand({ failCommands: ['insert'], writeConcernError: { code: 91, errmsg: 'shutting down' } });
    await c.insertOne({ n: 3 });
    expect(await c.distinct('n')).toEqual([1, 2, 3]);
    expect(await c.countDocuments()).toBe(3);
  });

  test('labels as given, or as MongoDB gives them', async () => {
    const c = server().freshDb().collection('c');
    const single = await client({ retryWrites: false });
    const other = single.db(c.dbName).collection('c');
    await failCommand({ failCommands: ['insert'], errorCode: 10107, errorLabels: ['Mine'] });
    const given = (await other.insertOne({}).catch((error: unknown) => error)) as MongoServerError;
    expect([...given.errorLabels]).toContain('Mine');
    const session = server().client.startSession();
    session.startTransaction();
    await failCommand({ failCommands: ['insert'], errorCode: 112 });
    const conflict = (await c.insertOne({}, { session }).catch((error: unknown) => error)) as MongoServerError;
    expect(conflict.hasErrorLabel('TransientTransactionError')).toBe(true);
    await session.endSession();
  });

  test('a statement that failed before it began leaves its transaction open', async () => {
    const c = server().freshDb().collection<{ _id: number }>('c');
    await server().client.withSession(async (session) => {
      session.startTransaction();
      await c.insertOne({ _id: 1 }, { session });
      await failCommand({ failCommands: ['insert'], errorCode: 462 });
      await expect(c.insertOne({ _id: 2 }, { session })).rejects.toMatchObject({ code: 462 });
      await c.insertOne({ _id: 3 }, { session });
      await session.commitTransaction();
    });
    expect(await c.distinct('_id')).toEqual([1, 3]);
  });

  test('a commit is tried again', async () => {
    const c = server().freshDb().collection('c');
    await failCommand({ failCommands: ['commitTransaction'], closeConnection: true });
    await server().client.withSession((session) =>
      session.withTransaction(async () => {
        await c.insertOne({}, { session });
      }),
    );
    expect(await c.countDocuments()).toBe(1);
  });

  test('a retryable write that fails before it is done, or loses its connection after it', async () => {
    const c = server().freshDb().collection<{ _id: number }>('c');
    await failPoint('onPrimaryTransactionalWrite', { failBeforeCommitExceptionCode: 1 });
    await c.insertOne({ _id: 1 });
    await failPoint('onPrimaryTransactionalWrite', {});
    await c.insertOne({ _id: 2 });
    await failPoint('onPrimaryTransactionalWrite', { failBeforeCommitExceptionCode: 1, closeConnection: false });
    await expect(c.insertOne({ _id: 3 })).rejects.toMatchObject({ code: 1 });
    expect(await c.distinct('_id')).toEqual([1, 2]);
  });

  test('a change stream goes on after a getMore that fails with an error that MongoDB labels', async () => {
    const c = server().freshDb().collection('c');
    const stream = c.watch();
    onTestFinished(() => stream.close());
    const next = stream.next();
    await failPoint('failGetMoreAfterCursorCheckout', { errorCode: 234 });
    await expect
      .poll(async () => {
        await c.insertOne({ n: 1 });
        return Promise.race([next, Promise.resolve(undefined)]);
      })
      .toMatchObject({ operationType: 'insert' });
  });

  test('an unknown fail point, and a mode that is none', async () => {
    const admin = server().client.db('admin');
    const unknown = admin.command({ configureFailPoint: 'noSuchPoint', mode: 'alwaysOn' });
    await expect(unknown).rejects.toMatchObject({ code: 266, codeName: 'FailPointSetFailed' });
    const odd = admin.command({ configureFailPoint: 'failCommand', mode: { sometimes: 1 } });
    await expect(odd).rejects.toMatchObject({ code: 2 });
  });

  test('the name of any code of MongoDB', async () => {
    const db = server().freshDb();
    await failCommand({ failCommands: ['ping'], errorCode: 11600 });
    await expect(db.command({ ping: 1 })).rejects.toMatchObject({ codeName: 'InterruptedAtShutdown' });
  });

  test('only the namespace that is named', async () => {
    const db = server().freshDb();
    await failCommand({ failCommands: ['count'], errorCode: 8000, namespace: `${db.databaseName}.a` }, 'alwaysOn');
    expect(await db.command({ count: 'b' })).toMatchObject({ n: 0 });
    await expect(db.command({ count: 'a' })).rejects.toMatchObject({ code: 8000 });
  });

  test('only clients of a name, and blocked for a time', async () => {
    const named = await client({ appName: 'slow' });
    await failCommand({ failCommands: ['ping'], appName: 'slow', blockConnection: true, blockTimeMS: 150 }, 'alwaysOn');
    const slow = performance.now();
    await named.db('x').command({ ping: 1 });
    const took = performance.now() - slow;
    await server().client.db('x').command({ ping: 1 });
    expect(took).toBeGreaterThan(140);
  });
});

test('replies carry the time that causal consistency needs', async () => {
  const c = server().freshDb().collection('c');
  const session = server().client.startSession({ causalConsistency: true });
  await c.insertOne({}, { session });
  const first = session.operationTime;
  await c.insertOne({}, { session });
  expect(session.operationTime?.greaterThan(first as never)).toBe(true);
  expect(session.clusterTime?.clusterTime).toBeDefined();
  expect(await c.countDocuments({}, { session })).toBe(2);
  await session.endSession();
});
