import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { BenchOptions } from '../options.ts';
import { percentile, type Row, rounded } from '../table.ts';
import { type LoadResult, load, wireRequest } from './load.ts';
import { type BenchPlace, type BenchServer, createPlace } from './servers.ts';

const CONNECTIONS = [1, 16];
const serverStatus = z.object({ connections: z.object({ current: z.number() }) });
/** Longer than an object holds connections that nobody uses. */
const IDLE_MS = 16_000;

interface Way {
  name: string;
  server: BenchServer;
}

/** A Worker whose objects hold connections beside one that opens a connection for each request, in turns. */
export async function workerd({ rounds, seconds }: BenchOptions): Promise<Row[]> {
  const place = await createPlace();
  const folder = await mkdtemp(join(tmpdir(), 'artifex-bench-'));
  try {
    const config = join(folder, 'wrangler.json');
    await writeFile(config, JSON.stringify(withoutObjects()));
    const before = await connections(place);
    const ways: Way[] = [
      { name: 'held by objects', server: await place.startWorker() },
      { name: 'one for each request', server: await place.startWorker(config) },
    ];
    try {
      const rows = await compare(ways, place, rounds, seconds);
      await new Promise((done) => setTimeout(done, IDLE_MS));
      const left = (await connections(place)) - before;
      return rows.map((row) => ({ ...row, 'left when idle, by both': left }));
    } finally {
      await Promise.all(ways.map(({ server }) => server.end()));
    }
  } finally {
    await place.remove();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What wrangler.toml says, but for the binding. */
function withoutObjects() {
  return {
    name: 'artifex',
    main: resolve('src/runtimes/worker.ts'),
    compatibility_date: '2026-11-01',
    compatibility_flags: ['nodejs_compat'],
    minify: true,
    send_metrics: false,
  };
}

async function compare(ways: Way[], place: BenchPlace, rounds: number, seconds: number): Promise<Row[]> {
  const rows: Row[] = [];
  const turn = (way: Way, count: number, path: string) =>
    load(
      way.server.url,
      place.tokens.map((token) => wireRequest('GET', `${way.server.url}${path}`, { Authorization: `Bearer ${token}` })),
      { connections: count, seconds },
    );
  for (const way of ways) await turn(way, 4, '/v1/quota');
  for (const count of CONNECTIONS) {
    const results: LoadResult[][] = ways.map(() => []);
    for (let round = 0; round < rounds; round += 1) {
      for (let offset = 0; offset < ways.length; offset += 1) {
        const index = (round + offset) % ways.length;
        const way = ways[index];
        if (!way) continue;
        results[index]?.push(await turn(way, count, '/v1/quota'));
      }
    }
    for (const [index, { name }] of ways.entries()) {
      const of = (what: (result: LoadResult) => number) => percentile((results[index] ?? []).map(what), 0.5);
      rows.push({
        connection: name,
        callers: count,
        'requests/s': rounded(of(({ rate }) => rate)),
        'p50 ms': rounded(
          of(({ p50 }) => p50),
          2,
        ),
        'p99 ms': rounded(
          of(({ p99 }) => p99),
          2,
        ),
      });
    }
  }
  return rows;
}

async function connections({ store }: BenchPlace): Promise<number> {
  const status = await store.connection.db?.admin().command({ serverStatus: 1 });
  return serverStatus.parse(status).connections.current;
}
