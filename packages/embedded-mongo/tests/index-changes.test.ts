import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { startEmbeddedMongo } from '../src/index.ts';
import { useServer } from './support/server.ts';

const server = useServer();

describe('an index becomes unique in two steps (reference/command/collMod, "Convert an Existing Index")', () => {
  async function prepared() {
    const db = server().freshDb();
    const c = db.collection<{ _id: number; a: number }>('c');
    await c.createIndex({ a: 1 });
    await c.insertMany([1, 1, 2].map((a, _id) => ({ _id, a })));
    const reply = await db.command({ collMod: 'c', index: { keyPattern: { a: 1 }, prepareUnique: true } });
    expect(reply).toMatchObject({ prepareUnique_old: false, prepareUnique_new: true });
    return { db, c };
  }
  const convert = { collMod: 'c', index: { keyPattern: { a: 1 }, unique: true } };

  test('prepared, it keeps its duplicates and takes no more', async () => {
    const { db, c } = await prepared();
    const duplicate = { code: 11000, keyPattern: { a: 1 }, keyValue: { a: 1 } };
    await expect(c.insertOne({ _id: 9, a: 1 })).rejects.toMatchObject(duplicate);
    await expect(c.updateOne({ _id: 2 }, { $set: { a: 1 } })).rejects.toMatchObject(duplicate);
    await c.updateOne({ _id: 0 }, { $set: { b: 1 } });
    await server().client.withSession(async (session) => {
      session.startTransaction();
      await expect(c.insertOne({ _id: 9, a: 2 }, { session })).rejects.toMatchObject({ code: 11000 });
    });
    const violations = [{ ids: [0, 1] }];
    await expect(db.command(convert)).rejects.toMatchObject({ code: 359, errorResponse: { violations } });
  });

  test('without duplicates it is unique, also in the list of indexes', async () => {
    const { db, c } = await prepared();
    await c.deleteOne({ _id: 1 });
    expect(await db.command({ ...convert, dryRun: true })).not.toHaveProperty('unique_new');
    expect(await db.command(convert)).toMatchObject({ unique_new: true });
    const [, index] = await c.listIndexes().toArray();
    expect(index).toEqual({ v: 2, key: { a: 1 }, name: 'a_1', unique: true });
    await expect(c.insertOne({ _id: 9, a: 1 })).rejects.toMatchObject({ code: 11000 });
    expect(await c.find({ a: 1 }).toArray()).toHaveLength(1);
  });

  test('unprepared it stays as it is, and unknown changes are refused', async () => {
    const db = server().freshDb();
    await db.collection('c').createIndex({ a: 1 });
    await expect(db.command(convert)).rejects.toMatchObject({ code: 72 });
    const odd = { collMod: 'c', index: { name: 'a_1', sparse: true } };
    await expect(db.command(odd)).rejects.toMatchObject({ code: 40415 });
  });

  test('the journal keeps it', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'embedded-mongo-'));
    const run = async (work: (client: MongoClient) => Promise<void>): Promise<void> => {
      const mongo = await startEmbeddedMongo({ dataDir });
      const client = await MongoClient.connect(mongo.uri);
      await work(client);
      await client.close();
      await mongo.stop();
    };
    await run(async (client) => {
      const db = client.db('t');
      await db.collection('c').createIndex({ a: 1 });
      await db.command({ collMod: 'c', index: { keyPattern: { a: 1 }, prepareUnique: true } });
      await db.collection('c').insertOne({ a: 1 });
      await db.command(convert);
    });
    await run(async (client) => {
      await expect(client.db('t').collection('c').insertOne({ a: 1 })).rejects.toMatchObject({ code: 11000 });
      expect(await client.db('t').collection('c').find({ a: 1 }).toArray()).toHaveLength(1);
    });
    rmSync(dataDir, { recursive: true });
  });
});

test('options of older servers are listed as they were given (reference/command/createIndexes)', async () => {
  const db = server().freshDb();
  await db.collection('c').createIndex({ a: 1 }, { background: true });
  expect((await db.collection('c').listIndexes().toArray())[1]).toEqual({
    v: 2,
    key: { a: 1 },
    name: 'a_1',
    background: true,
  });
});
