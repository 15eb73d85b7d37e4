import { cpuTimes, residentMebibytes } from '../data/usage.ts';
import type { BenchOptions } from '../options.ts';
import { percentile, type Row, rounded } from '../table.ts';
import { type LoadResult, load, type WireRequest, wireRequest } from './load.ts';
import { type BenchPlace, type BenchServer, createPlace, PROGRAM_NAMES } from './servers.ts';

const CONNECTIONS = [1, 32, 1_000];
const WARM_UP_SECONDS = 1.5;

interface Contender {
  name: string;
  server: BenchServer;
  requests: readonly WireRequest[];
}

interface Turn extends LoadResult {
  /** Microseconds of the server's processor time for each request. */
  cpu: number;
  /** MiB that the server holds when the turn is over. */
  memory: number;
}

/**
 * Artifex beside handlers that one would write without it, on each runtime, in turns: what else the machine does meanwhile meets them
 * all alike.
 */
export async function overhead({ rounds, seconds }: BenchOptions): Promise<Row[]> {
  const place = await createPlace();
  const rows: Row[] = [];
  try {
    for (const runtime of PROGRAM_NAMES) {
      const [bare, api] = await Promise.all([
        place.start(runtime, 'bench/http/bareServer.ts'),
        place.start(runtime, `src/runtimes/${runtime}.ts`),
      ]);
      try {
        rows.push(...(await compare(runtime, contendersOf(bare, api, place), rounds, seconds)));
      } finally {
        await Promise.all([bare.end(), api.end()]);
      }
    }
  } finally {
    await place.remove();
  }
  return rows;
}

function contendersOf(bare: BenchServer, api: BenchServer, { tokens }: BenchPlace): Contender[] {
  const asked = (server: BenchServer, method: string, path: string, body?: unknown) =>
    tokens.map((token) => wireRequest(method, `${server.url}${path}`, { Authorization: `Bearer ${token}` }, body));
  return [
    { name: 'Hono: token, findOneAndUpdate', server: bare, requests: asked(bare, 'GET', '/charged') },
    { name: 'Hono alone', server: bare, requests: asked(bare, 'GET', '/bare') },
    { name: 'GET /v1/quota', server: api, requests: asked(api, 'GET', '/v1/quota') },
    {
      name: 'POST /v1/quota/consume',
      server: api,
      requests: asked(api, 'POST', '/v1/quota/consume', { credits: 1 }),
    },
  ];
}

async function compare(
  runtime: string,
  contenders: readonly Contender[],
  rounds: number,
  seconds: number,
): Promise<Row[]> {
  for (const contender of contenders) await takeTurn(contender, { connections: 16, seconds: WARM_UP_SECONDS });
  const rows: Row[] = [];
  for (const connections of CONNECTIONS) {
    const turns: Turn[][] = contenders.map(() => []);
    for (let round = 0; round < rounds; round += 1) {
      for (let place = 0; place < contenders.length; place += 1) {
        const index = (round + place) % contenders.length;
        const contender = contenders[index];
        if (contender) turns[index]?.push(await takeTurn(contender, { connections, seconds }));
      }
    }
    for (const [index, { name }] of contenders.entries()) {
      rows.push({ runtime, connections, contender: name, ...summary(turns[index] ?? [], turns) });
    }
  }
  return rows;
}

async function takeTurn({ server, requests }: Contender, how: { connections: number; seconds: number }): Promise<Turn> {
  const before = cpuTimes(server.pid).server ?? Number.NaN;
  const result = await load(server.url, requests, how);
  const cpu = (((cpuTimes(server.pid).server ?? Number.NaN) - before) * 1000) / result.requests;
  return { ...result, cpu, memory: residentMebibytes(server.pid) };
}

/** Ratios are those of one round, of which the median is shown. */
function summary(turns: readonly Turn[], [charged = [], alone = []]: readonly (readonly Turn[])[]): Row {
  const median = (of: (turn: Turn, round: number) => number) => percentile(turns.map(of), 0.5);
  const ratio = (others: readonly Turn[]) =>
    rounded(
      median(({ rate }, round) => rate / (others[round]?.rate ?? Number.NaN)),
      2,
    );
  return {
    'requests/s': rounded(median(({ rate }) => rate)),
    'to findOneAndUpdate': ratio(charged),
    'to Hono alone': ratio(alone),
    'p50 ms': rounded(
      median(({ p50 }) => p50),
      2,
    ),
    'p99 ms': rounded(
      median(({ p99 }) => p99),
      2,
    ),
    'server µs/request': rounded(median(({ cpu }) => cpu)),
    'server MiB': rounded(Math.max(...turns.map(({ memory }) => memory))),
  };
}
