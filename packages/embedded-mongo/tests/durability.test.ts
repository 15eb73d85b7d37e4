import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Collection, Long, MongoClient, UUID } from 'mongodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type EmbeddedMongo, startEmbeddedMongo } from '../src/index.ts';
import { engineRuntime } from '../src/runtime.ts';
import { temporaryFolder } from './support/folder.ts';
import { Random, seedOf } from './support/random.ts';
import { rawCommand } from './support/raw.ts';

const ROUNDS = Number(process.env.EMBEDDED_MONGO_KILLS ?? 4);

async function open(dataDir: string): Promise<{ mongo: EmbeddedMongo; client: MongoClient }> {
  const mongo = await startEmbeddedMongo({ dataDir });
  const client = await MongoClient.connect(mongo.uri, { serverSelectionTimeoutMS: 500 });
  onTestFinished(async () => {
    await client.close(true);
    await mongo.stop();
  });
  return { mongo, client };
}

/** Ends the engine as a crash does, and waits until it is gone. */
async function kill(mongo: EmbeddedMongo, client: MongoClient): Promise<void> {
  end(mongo);
  await mongo.stop();
  await client.close(true);
}

function end(mongo: EmbeddedMongo): void {
  try {
    process.kill(mongo.pid, 'SIGKILL');
  } catch {
    // It has been killed already.
  }
}

interface Item {
  _id: number;
  group: number;
  version: number;
  tags: number[];
}

/** Every index has to know exactly the documents that a scan finds. */
async function expectIndexesInStep(items: Collection<Item>): Promise<void> {
  const all = await items.find({}, { hint: { $natural: 1 } }).toArray();
  for (const index of await items.indexes()) {
    const byIndex = await items.find({}, { hint: index.name ?? '' }).toArray();
    expect(new Set(byIndex.map((doc) => JSON.stringify(doc)))).toEqual(new Set(all.map((doc) => JSON.stringify(doc))));
  }
  for (const group of new Set(all.map((item) => item.group))) {
    const expected = all.filter((item) => item.group === group).length;
    expect(await items.countDocuments({ group }, { hint: 'group_1_version_-1' })).toBe(expected);
  }
}

describe('kill -9', () => {
  test('loses no acknowledged write and leaves no index out of step', { timeout: 120_000 }, async () => {
    const seed = seedOf('EMBEDDED_MONGO_SEED');
    const random = new Random(seed);
    console.log(`kill -9: seed ${seed}, ${ROUNDS} rounds (EMBEDDED_MONGO_KILLS)`);
    const dataDir = temporaryFolder();
    const acknowledged = new Map<number, number>();
    // Once a deletion is asked for, an item may be there or not until it is acknowledged.
    const doomed = new Set<number>();
    const deleted = new Set<number>();
    let nextId = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { mongo, client } = await open(dataDir);
      const items = client.db('test').collection<Item>('items');
      await items.createIndex({ group: 1, version: -1 });
      await items.createIndex({ tags: 1 });
      const stored = new Map((await items.find().toArray()).map((item) => [item._id, item]));
      for (const [id, version] of acknowledged) {
        if (doomed.has(id)) continue;
        expect(stored.get(id)?.version ?? -1, `seed ${seed}, round ${round}, item ${id}`).toBeGreaterThanOrEqual(
          version,
        );
      }
      for (const id of deleted) expect(stored.has(id)).toBe(false);
      await expectIndexesInStep(items);
      let writes = 0;
      const most = 200 + random.below(1500);
      const worker = async (number: number): Promise<void> => {
        for (;;) {
          const id = nextId++;
          const doc = { _id: id, group: id % 7, version: 0, tags: [id % 3, number] };
          await items.insertOne(doc, { writeConcern: number % 2 === 0 ? { w: 'majority' } : { w: 1 } });
          acknowledged.set(id, 0);
          const old = random.below(nextId);
          const updated = await items.findOneAndUpdate(
            { _id: old },
            [{ $set: { version: { $add: ['$version', 1] } } }],
            {
              returnDocument: 'after',
            },
          );
          if (updated !== null) acknowledged.set(old, Math.max(updated.version, acknowledged.get(old) ?? 0));
          if (number === 0 && id % 5 === 0) {
            doomed.add(id);
            await items.deleteOne({ _id: id });
            deleted.add(id);
          }
          writes += 3;
          if (writes > most) end(mongo);
        }
      };
      await Promise.allSettled(Array.from({ length: 8 }, (_, number) => worker(number)));
      await kill(mongo, client);
    }
    expect(acknowledged.size).toBeGreaterThan(100);
  });

  test('a repeated write is recognised after the crash', async () => {
    const dataDir = temporaryFolder();
    const lsid = { id: new UUID() };
    const command = {
      update: 'counters',
      updates: [{ q: { _id: 'a' }, u: { $inc: { n: 1 } }, upsert: true }],
      lsid,
      txnNumber: Long.fromNumber(1),
    };
    const before = await open(dataDir);
    const first = await rawCommand(before.mongo.port, { ...command, $db: 'test' });
    expect(first).toMatchObject({ ok: 1, n: 1 });
    await kill(before.mongo, before.client);
    const after = await open(dataDir);
    const second = await rawCommand(after.mongo.port, { ...command, $db: 'test' });
    expect(second).toMatchObject({ ok: 1, n: 1 });
    expect(await after.client.db('test').collection('counters').findOne()).toMatchObject({ n: 1 });
  });
});

async function journalWith(count: number, dataDir: string): Promise<string> {
  const { mongo, client } = await open(dataDir);
  for (let i = 0; i < count; i++) await client.db('test').collection<{ _id: number }>('c').insertOne({ _id: i });
  await client.close();
  await mongo.stop();
  return join(dataDir, 'journal-00000001');
}

describe('the journal', () => {
  test('a torn end is cut off, wherever the crash cut', async () => {
    const dataDir = temporaryFolder();
    const journal = await journalWith(5, dataDir);
    const whole = readFileSync(journal);
    const last = whole.lastIndexOf('RECO');
    for (const cut of [last + 1, last + 11, last + 12, last + 20, whole.length - 1]) {
      const copy = temporaryFolder();
      cpSync(dataDir, copy, { recursive: true });
      truncateSync(join(copy, 'journal-00000001'), cut);
      const { mongo, client } = await open(copy);
      const ids = await client.db('test').collection('c').distinct('_id');
      expect(ids).toEqual([0, 1, 2, 3]);
      // The place is free again: what is written now follows the last whole record.
      await client.db('test').collection<{ _id: number }>('c').insertOne({ _id: 9 });
      await kill(mongo, client);
      const again = await open(copy);
      expect(await again.client.db('test').collection('c').distinct('_id')).toEqual([0, 1, 2, 3, 9]);
    }
  });

  test('space that was reserved and never written is cut off', async () => {
    const dataDir = temporaryFolder();
    const journal = await journalWith(3, dataDir);
    writeFileSync(journal, Buffer.concat([readFileSync(journal), Buffer.alloc(4096)]));
    const { client } = await open(dataDir);
    expect(await client.db('test').collection('c').distinct('_id')).toEqual([0, 1, 2]);
  });

  test.each(['header', 'payload', 'checksum'])(
    'a damaged %s in the middle is reported with its place, and nothing is served',
    async (part) => {
      const dataDir = temporaryFolder();
      const journal = await journalWith(5, dataDir);
      const bytes = readFileSync(journal);
      const second = bytes.indexOf('RECO', bytes.indexOf('RECO') + 4);
      const third = bytes.indexOf('RECO', second + 4);
      const at = { header: second + 5, payload: second + 16, checksum: third - 6 }[part] ?? 0;
      bytes.writeUInt8((bytes[at] as number) ^ 0xff, at);
      writeFileSync(journal, bytes);
      await expect(startEmbeddedMongo({ dataDir })).rejects.toThrow(`journal-00000001 is damaged at offset ${second}`);
      expect(readFileSync(journal)).toEqual(bytes);
    },
  );

  test('the last record, whole but damaged, is no torn end', async () => {
    const dataDir = temporaryFolder();
    const journal = await journalWith(3, dataDir);
    const bytes = readFileSync(journal);
    const last = bytes.lastIndexOf('RECO');
    bytes.writeUInt8((bytes[last + 20] as number) ^ 1, last + 20);
    writeFileSync(journal, bytes);
    await expect(startEmbeddedMongo({ dataDir })).rejects.toThrow(`damaged at offset ${last}`);
  });

  test('another format version is refused', async () => {
    const dataDir = temporaryFolder();
    const journal = await journalWith(1, dataDir);
    const bytes = readFileSync(journal);
    bytes.writeUInt32LE(99, 8);
    writeFileSync(journal, bytes);
    await expect(startEmbeddedMongo({ dataDir })).rejects.toThrow('has format version 99');
  });

  test('does not grow without bound, and survives a crash at any moment of its compaction', {
    timeout: 60_000,
  }, async () => {
    const seed = seedOf('EMBEDDED_MONGO_SEED');
    const random = new Random(seed);
    console.log(`compaction: seed ${seed}`);
    const dataDir = temporaryFolder();
    const padding = 'x'.repeat(100_000);
    const acknowledged = new Map<number, number>();
    const sizes: number[] = [];
    for (let round = 0; round < 4; round++) {
      const { mongo, client } = await open(dataDir);
      const docs = client.db('test').collection<{ _id: number; version: number; padding: string }>('c');
      const stored = new Map((await docs.find().toArray()).map((doc) => [doc._id, doc.version]));
      for (const [id, version] of acknowledged) expect(stored.get(id), `seed ${seed}`).toBeGreaterThanOrEqual(version);
      const most = 400 + random.below(400);
      let writes = 0;
      // Half of the writers always wait for the disk, so that a sync is under way at nearly every moment.
      const worker = async (_id: number): Promise<void> => {
        for (;;) {
          const version = (acknowledged.get(_id) ?? 0) + 1;
          const writeConcern = _id % 2 === 0 ? ({ w: 'majority' } as const) : { w: 1 };
          const set = { version, padding: `${padding}${version}` };
          await docs.updateOne({ _id }, { $set: set }, { upsert: true, writeConcern });
          acknowledged.set(_id, version);
          writes += 1;
          if (writes === most) {
            sizes.push(sizeOf(dataDir));
            end(mongo);
          }
        }
      };
      await Promise.allSettled(Array.from({ length: 16 }, (_, id) => worker(id)));
      await kill(mongo, client);
    }
    // 40 to 80 MB were written in each round, of which 1.6 MB are data.
    for (const size of sizes) expect(size).toBeLessThan(64_000_000);
    expect(readdirSync(dataDir).some((name) => name.startsWith('snapshot-'))).toBe(true);
  });

  test('keeps collections, their options and their indexes', async () => {
    const dataDir = temporaryFolder();
    const before = await open(dataDir);
    const db = before.client.db('test');
    await db.createCollection('strict', { validator: { n: { $gt: 0 } } });
    await db.collection('strict').createIndex({ n: 1 }, { unique: true, partialFilterExpression: { n: { $gt: 5 } } });
    await db.collection('gone').insertOne({});
    await db.dropCollection('gone');
    await db.collection('old').insertOne({ a: 1 });
    await db.renameCollection('old', 'renamed');
    await kill(before.mongo, before.client);
    const after = (await open(dataDir)).client.db('test');
    const names = (await after.listCollections().toArray()).map(({ name }) => name);
    expect(names.sort()).toEqual(['renamed', 'strict']);
    expect(await after.collection('strict').indexes()).toMatchObject([
      { name: '_id_' },
      { name: 'n_1', unique: true, partialFilterExpression: { n: { $gt: 5 } } },
    ]);
    await expect(after.collection('strict').insertOne({ n: -1 })).rejects.toMatchObject({ code: 121 });
    await after.collection('strict').insertOne({ n: 7 });
    await expect(after.collection('strict').insertOne({ n: 7 })).rejects.toMatchObject({ code: 11000 });
    expect(await after.collection('renamed').findOne({}, { projection: { _id: 0 } })).toEqual({ a: 1 });
  });
});

/** Bytes in a folder whose files come and go meanwhile. */
function sizeOf(folder: string): number {
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe('the data folder', () => {
  test('is made with all that lies above it', async () => {
    const { client } = await open(join(temporaryFolder(), 'a', 'b'));
    expect(await client.db('x').collection('y').insertOne({})).toMatchObject({ acknowledged: true });
  });

  test.skipIf(process.platform !== 'linux')('is refused at once where a file system has no place for it', async () => {
    await expect(startEmbeddedMongo({ dataDir: '/proc/nothing/below' })).rejects.toThrow(/ENOENT.*\/proc\/nothing/);
  });

  test('belongs to one process', async () => {
    const dataDir = temporaryFolder();
    const { mongo } = await open(dataDir);
    await expect(startEmbeddedMongo({ dataDir })).rejects.toThrow(
      `the data folder ${dataDir} is in use by process ${mongo.pid}`,
    );
  });

  test('is free again after the process that held it was killed', async () => {
    const dataDir = temporaryFolder();
    const { mongo, client } = await open(dataDir);
    await kill(mongo, client);
    expect(existsSync(join(dataDir, 'LOCK'))).toBe(true);
    await open(dataDir);
  });
});

describe('the command line', () => {
  const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
  const run = async (...args: string[]): Promise<{ code: number | null; out: string; err: string }> => {
    const child = spawn(engineRuntime('.ts'), [cli, ...args]);
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    let out = '';
    let err = '';
    child.stderr.on('data', (text) => {
      err += String(text);
    });
    child.stdout.on('data', (text) => {
      out += String(text);
      // As soon as it has said where it listens, it is asked to end.
      child.kill('SIGTERM');
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  };

  test('prints its address when it is ready, and ends cleanly when it is told to', async () => {
    const { code, out, err } = await run('--port', '0', '--data', temporaryFolder());
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^mongodb:\/\/127\.0\.0\.1:\d+\/\?directConnection=true\n$/);
  });

  test('reports what is wrong in one line', async () => {
    const dataDir = temporaryFolder();
    const { mongo } = await open(dataDir);
    const taken = await run('--port', String(mongo.port));
    expect(taken).toMatchObject({
      code: 1,
      err: `embedded-mongo: port ${mongo.port} on 127.0.0.1 is already in use\n`,
    });
    const locked = await run('--port', '0', '--data', dataDir);
    expect(locked.code).toBe(1);
    expect(locked.err).toMatch(/^embedded-mongo: the data folder .* is in use by process \d+\n$/);
    const unknown = await run('--prot', '1');
    expect(unknown.code).toBe(1);
    expect(unknown.err).toMatch(/^embedded-mongo: .*--prot.*\n$/);
  });
});
