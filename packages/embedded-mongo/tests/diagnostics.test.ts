import { describe, expect, test } from 'vitest';
import { useServer } from './support/server.ts';

const server = useServer();

describe('commands that tools send (reference/command, "Diagnostic Commands")', () => {
  test.each([
    ['getCmdLineOpts', { parsed: {} }],
    ['hostInfo', { system: { cpuAddrSize: 64 } }],
    ['whatsmyuri', { you: expect.any(String) }],
    ['currentOp', { inprog: [{ command: { currentOp: 1 } }] }],
    ['fsync', { ok: 1 }],
    ['replSetGetStatus', { set: 'rs0', myState: 1, members: [{ stateStr: 'PRIMARY' }] }],
    ['serverStatus', { repl: { setName: 'rs0' }, transactions: { currentOpen: 0 } }],
  ])('%s', async (name, reply) => {
    expect(
      await server()
        .client.db('admin')
        .command({ [name]: 1 }),
    ).toMatchObject(reply);
  });

  test('profile: off, and refused where there would be something to write', async () => {
    const db = server().freshDb();
    expect(await db.command({ profile: 0, slowms: 20, sampleRate: 0.5 })).toMatchObject({ was: 0, slowms: 100 });
    expect(await db.command({ profile: -1 })).toMatchObject({ was: 0, slowms: 20, sampleRate: 0.5 });
    await expect(db.command({ profile: 1 })).rejects.toMatchObject({ code: 238 });
    await expect(db.command({ profile: 3 })).rejects.toMatchObject({ code: 2 });
    await expect(db.command({ profile: 0, sampleRate: 2 })).rejects.toMatchObject({ code: 2 });
  });

  test('getLog', async () => {
    expect(await server().client.db('admin').command({ getLog: 'startupWarnings' })).toMatchObject({ log: [] });
  });

  test('validate', async () => {
    const db = server().freshDb();
    const c = db.collection('c');
    await c.createIndex({ tags: 1 });
    await c.insertMany([{ tags: [1, 2, 2] }, { tags: [] }, {}]);
    await c.deleteOne({ tags: [] });
    expect(await db.command({ validate: 'c' })).toMatchObject({
      valid: true,
      nrecords: 2,
      keysPerIndex: { _id_: 2, tags_1: 3 },
    });
    await c.createIndex({ '$**': 1 });
    await c.createIndex({ tags: 'text' });
    expect(await db.command({ validate: 'c' })).toMatchObject({ valid: true, nIndexes: 4, nNonCompliantDocuments: 0 });
    await db.command({ collMod: 'c', validator: { tags: { $exists: true } } });
    expect(await db.command({ validate: 'c' })).toMatchObject({ valid: true, nNonCompliantDocuments: 1 });
    await db.createCollection('view', { viewOn: 'c' });
    await expect(db.command({ validate: 'view' })).rejects.toMatchObject({ code: 166 });
    await expect(db.command({ collStats: 'view' })).rejects.toMatchObject({ code: 166 });
    expect(await db.stats()).toMatchObject({ collections: 1, views: 1, objects: 2, indexes: 4 });
    await expect(db.command({ validate: 'none' })).rejects.toMatchObject({ code: 26 });
  });
});
