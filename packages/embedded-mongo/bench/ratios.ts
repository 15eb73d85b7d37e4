import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Collection, MongoClient } from 'mongodb';
import { startEmbeddedMongo } from '../src/index.ts';
import { engineRuntime } from '../src/runtime.ts';

/** Ratios from one run on one machine, so that they say something on any. Usage: node bench/ratios.ts */
interface Item {
  _id: number;
  n: number;
  key: string;
  at: Date;
}

const report = (name: string, value: string): void => console.log(`${name.padEnd(58)} ${value}`);

async function rate(clients: number, seconds: number, run: (i: number) => Promise<unknown>): Promise<number> {
  let done = 0;
  const end = performance.now() + seconds * 1000;
  const started = performance.now();
  const worker = async (): Promise<void> => {
    while (performance.now() < end) await run(done++);
  };
  await Promise.all(Array.from({ length: clients }, worker));
  return done / ((performance.now() - started) / 1000);
}

function operations(items: Collection<Item>): Record<string, (i: number) => Promise<unknown>> {
  let id = 1_000_000;
  return {
    'point read': (i) => items.findOne({ _id: i % 1000 }),
    findAndModify: (i) =>
      items.findOneAndUpdate({ key: `k${i % 1000}` }, [
        { $set: { n: { $cond: [{ $lte: ['$n', 1e9] }, { $add: ['$n', 1] }, 0] } } },
      ]),
    update: (i) => items.updateOne({ _id: i % 1000 }, { $inc: { n: 1 } }),
    insert: () => items.insertOne({ _id: id++, n: 1, key: `x${id}`, at: new Date(id) }),
  };
}

async function besideBareServer(): Promise<void> {
  const bare = spawn(engineRuntime('.ts'), [fileURLToPath(new URL('./bare-server.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [port] = (await once(bare.stdout, 'data')) as [Buffer];
  const mongo = await startEmbeddedMongo();
  const ours = await MongoClient.connect(mongo.uri);
  const theirs = await MongoClient.connect(`mongodb://127.0.0.1:${String(port).trim()}/?directConnection=true`);
  const items = ours.db('bench').collection<Item>('c');
  await items.insertMany(
    Array.from({ length: 1000 }, (_, _id) => ({ _id, n: _id, key: `k${_id}`, at: new Date(_id) })),
  );
  await items.createIndex({ key: 1 }, { unique: true });
  const here = operations(items);
  const there = operations(theirs.db('bench').collection<Item>('c'));
  for (const clients of [1, 32]) {
    for (const name of Object.keys(here)) {
      const measured = { ours: 0, bare: 0 };
      // Turns, so that neither side has the quieter machine.
      for (let turn = 0; turn < 3; turn++) {
        measured.ours += (await rate(clients, 0.7, here[name] as () => Promise<unknown>)) / 3;
        measured.bare += (await rate(clients, 0.7, there[name] as () => Promise<unknown>)) / 3;
      }
      const ratio = (measured.ours / measured.bare).toFixed(2);
      report(
        `${name}, ${clients} client(s), of a bare server's rate`,
        `${ratio} (${measured.ours.toFixed(0)}/s of ${measured.bare.toFixed(0)}/s)`,
      );
    }
  }
  await ours.close();
  await theirs.close();
  await mongo.stop();
  bare.stdin.end();
}

async function bySize(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'embedded-mongo-bench-'));
  let mongo = await startEmbeddedMongo({ dataDir });
  let client = await MongoClient.connect(mongo.uri);
  const fill = async (name: string, count: number): Promise<Collection<Item>> => {
    const items = client.db('bench').collection<Item>(name);
    await items.createIndex({ key: 1 });
    for (let from = 0; from < count; from += 10_000) {
      const size = Math.min(10_000, count - from);
      await items.insertMany(
        Array.from({ length: size }, (_, i) => ({
          _id: from + i,
          n: i % 100,
          key: `k${from + i}`,
          at: new Date(1.7e12 + (from + i) * 60_000),
        })),
      );
    }
    return items;
  };
  const small = await fill('small', 1000);
  const large = await fill('large', 200_000);
  const few = await rate(1, 2, (i) => small.findOne({ key: `k${i % 1000}` }));
  const many = await rate(1, 2, (i) => large.findOne({ key: `k${(i * 7919) % 200_000}` }));
  report('indexed find among 1,000 beside one among 200,000', `${(few / many).toFixed(2)} times as fast`);
  const docs = await large.find().toArray();
  const loop = performance.now();
  const days = new Map<string, number>();
  for (const { at, n } of docs) {
    const day = at.toISOString().slice(0, 10);
    days.set(day, (days.get(day) ?? 0) + n);
  }
  const looped = performance.now() - loop;
  const pipeline = [{ $group: { _id: { $dateToString: { date: '$at', format: '%Y-%m-%d' } }, n: { $sum: '$n' } } }];
  await large.aggregate(pipeline).toArray();
  const started = performance.now();
  await large.aggregate(pipeline).toArray();
  const grouped = performance.now() - started;
  report(
    '$group by day over 200,000 beside a loop over objects',
    `${(grouped / looped).toFixed(2)} times (${grouped.toFixed(0)} ms)`,
  );
  const status = await client.db('admin').command({ serverStatus: 1 });
  report('memory for 201,000 documents with two indexes', `${status.mem.resident} MB`);
  await client.close();
  await mongo.stop();
  const opening = performance.now();
  mongo = await startEmbeddedMongo({ dataDir });
  report('start with 201,000 documents', `${(performance.now() - opening).toFixed(0)} ms`);
  client = await MongoClient.connect(mongo.uri);
  await client.close();
  await mongo.stop();
  rmSync(dataDir, { recursive: true });
}

async function emptyStart(): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const started = performance.now();
    const mongo = await startEmbeddedMongo();
    times.push(performance.now() - started);
    await mongo.stop();
  }
  report('start when empty, median of 5', `${times.sort((a, b) => a - b)[2]?.toFixed(0)} ms`);
}

await emptyStart();
await besideBareServer();
await bySize();
