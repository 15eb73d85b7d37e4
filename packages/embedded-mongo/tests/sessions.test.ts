import type { Document } from 'mongodb';
import { MongoClient } from 'mongodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { useServer } from './support/server.ts';

const server = useServer();
const admin = (): ReturnType<ReturnType<typeof server>['client']['db']> => server().client.db('admin');

describe('sessions (reference/server-sessions)', () => {
  test('those in use are listed, and end', async () => {
    const { id } = await admin().command({ startSession: 1 });
    const listed = async (): Promise<Document[]> =>
      (
        await admin()
          .aggregate([{ $listLocalSessions: {} }])
          .toArray()
      ).filter(({ _id }) => _id.id.toString() === id.id.toString());
    expect(await listed()).toHaveLength(1);
    await admin().command({ refreshSessions: [id] });
    await admin().command({ endSessions: [id] });
    expect(await listed()).toHaveLength(0);
  });

  test('killSessions ends the transaction and the cursors of a session, and what it is waiting for', async () => {
    const c = server().freshDb().collection<{ _id: number }>('c');
    await c.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    const [writer, reader] = [server().client.startSession(), server().client.startSession()];
    onTestFinished(() => Promise.all([writer.endSession(), reader.endSession()]).then(() => {}));
    writer.startTransaction();
    await c.deleteOne({ _id: 1 }, { session: writer });
    const cursor = c.find({}, { session: reader, batchSize: 1 });
    await cursor.next();
    await admin().command({ killSessions: [writer.id, reader.id] });
    await expect(cursor.toArray()).rejects.toMatchObject({ code: 43 });
    await expect(writer.commitTransaction()).rejects.toMatchObject({ code: 251 });
    expect(await c.countDocuments()).toBe(3);
  });
});

test('currentOp shows what is running or waiting, and killOp ends it (reference/command/killOp)', async () => {
  const c = server().freshDb().collection<{ _id: number; n?: number }>('c');
  await c.insertOne({ _id: 1 });
  const session = server().client.startSession();
  onTestFinished(() => session.endSession());
  session.startTransaction();
  await c.updateOne({ _id: 1 }, { $set: { n: 1 } }, { session });
  const waiting = c.updateOne({ _id: 1 }, { $set: { n: 2 } });
  const ended = expect(waiting).rejects.toMatchObject({ code: 11601, codeName: 'Interrupted' });
  const find = async (): Promise<Document[]> =>
    (await admin().command({ currentOp: 1, ns: c.namespace, 'command.update': 'c' })).inprog;
  await expect.poll(find).toHaveLength(1);
  const [operation] = await find();
  await admin().command({ killOp: 1, op: operation?.opid });
  await ended;
  expect(await find()).toEqual([]);
  await session.abortTransaction();
  expect(await c.findOne()).toEqual({ _id: 1 });
});

describe('parameters (reference/command/getParameter)', () => {
  test('can be read by name or all, and some be set', async () => {
    expect(await admin().command({ getParameter: 1, enableTestCommands: 1 })).toMatchObject({
      enableTestCommands: true,
    });
    const all = await admin().command({ getParameter: '*' });
    expect(all).toMatchObject({ transactionLifetimeLimitSeconds: 60, requireApiVersion: false });
    const details = await admin().command({ getParameter: { showDetails: true }, requireApiVersion: 1 });
    expect(details.requireApiVersion).toEqual({ value: false, settableAtRuntime: true, settableAtStartup: false });
  });

  test.each([
    [{ getParameter: 1, noSuchParameter: 1 }, 72],
    [{ setParameter: 1, noSuchParameter: 1 }, 72],
    [{ setParameter: 1, enableTestCommands: 0 }, 20],
    [{ setParameter: 1, transactionLifetimeLimitSeconds: 0 }, 2],
  ])('%j is refused', async (command, code) => {
    await expect(admin().command(command)).rejects.toMatchObject({ code });
  });
});

describe('the stable API (reference/stable-api)', () => {
  const strict = async (): Promise<MongoClient> => {
    const serverApi = { version: '1', strict: true, deprecationErrors: true } as const;
    const client = await MongoClient.connect(server().mongo.uri, { serverApi });
    onTestFinished(() => client.close());
    return client;
  };

  test('strict clients get what is in it', async () => {
    const c = (await strict()).db(server().freshDb().databaseName).collection('c');
    await c.insertOne({ n: 1 });
    expect(await c.countDocuments()).toBe(1);
    await expect(c.distinct('n')).rejects.toMatchObject({ code: 323, codeName: 'APIStrictError' });
    await expect(c.aggregate([{ $indexStats: {} }]).toArray()).rejects.toMatchObject({ code: 323 });
  });

  test.each([
    [{ ping: 1, apiVersion: '2' }, 322],
    [{ ping: 1, apiStrict: true }, 4886600],
    [{ testDeprecation: 1, apiVersion: '1', apiDeprecationErrors: true }, 324],
  ])('%j is refused', async (command, code) => {
    await expect(admin().command(command)).rejects.toMatchObject({ code });
  });

  test('a server can require it', async () => {
    const api = { apiVersion: '1' };
    await admin().command({ setParameter: 1, requireApiVersion: true });
    onTestFinished(async () => {
      await admin().command({ setParameter: 1, requireApiVersion: false, ...api });
    });
    await expect(admin().command({ ping: 1 })).rejects.toMatchObject({ code: 498870 });
    expect(await admin().command({ ping: 1, ...api })).toMatchObject({ ok: 1 });
  });
});
