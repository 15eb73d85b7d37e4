import { z } from 'zod';
import { percentile, type Row, rounded } from '../table.ts';
import { type Follower, follow } from './followers.ts';
import { atPace } from './pace.ts';
import { type BenchPlace, type BenchServer, createPlace } from './servers.ts';

const WORKER_TOKEN = 'the-token.of~all+workers/0123456789==';
/** What each stream has to tell. */
const STATES = ['0-pending', '1-processing', '2-completed'];
/** Requests that are under way at once while the streams are prepared. */
const TOGETHER = 32;
const MEBIBYTE = 2 ** 20;

export interface StreamsSize {
  streams: number;
  /** Requests a second. */
  rate: number;
}

interface Followed extends Follower {
  id: string;
}

interface Lease {
  id: string;
  leaseToken: string;
}

const created = z.object({ id: z.string() });
const claimed = z.object({ id: z.string(), leaseToken: z.string() });

/** Open event streams and requests beside them, on one process. */
export async function streams(): Promise<Row[]> {
  const place = await createPlace();
  try {
    const rows: Row[] = [];
    for (const runtime of ['bun', 'node'] as const) {
      rows.push({ runtime, ...(await measureStreams(place, runtime, { streams: 1_000, rate: 500 })) });
    }
    return rows;
  } finally {
    await place.remove();
  }
}

/**
 * Everybody follows a generation of its own while an outside worker makes them, two requests in five; the other requests read quotas.
 * An event counts as dropped when a stream has ended, or nothing has come for long, without it.
 */
export async function measureStreams(place: BenchPlace, runtime: 'bun' | 'node', size: StreamsSize): Promise<Row> {
  const server = await place.start(runtime, `src/runtimes/${runtime}.ts`, { WORKER_TOKEN });
  try {
    const generations = await createGenerations(server, place, size.streams);
    const before = await memoryOf(server);
    const followed = await openStreams(server, generations);
    const open = await memoryOf(server);
    const { sentAt, paced } = await makeAll(server, place, size);
    await Promise.race([Promise.all(followed.map(({ ended }) => ended)), patience()]);
    const after = await memoryOf(server);
    const delays = followed.flatMap(({ id, seen }) =>
      seen.flatMap((event) => event.at - (sentAt.get(`${id} ${event.id}`) ?? Number.NaN)).filter(Number.isFinite),
    );
    return {
      streams: size.streams,
      'asked/s': rounded((paced.latencies.length + paced.failures.length) / paced.sendingSeconds),
      'answered/s': rounded(paced.latencies.length / paced.seconds),
      failed: paced.failures.length,
      'p50 ms': rounded(percentile(paced.latencies, 0.5), 1),
      'p99 ms': rounded(percentile(paced.latencies, 0.99), 1),
      events: followed.reduce((sum, { seen }) => sum + seen.length, 0),
      dropped: followed.reduce((sum, { seen }) => sum + missing(seen), 0),
      'event p50 ms': rounded(percentile(delays, 0.5), 1),
      'event p99 ms': rounded(percentile(delays, 0.99), 1),
      'MiB before': before,
      'MiB with streams': open,
      'MiB after': after,
    };
  } finally {
    await server.end();
  }
}

const missing = (seen: Follower['seen']) => STATES.filter((state) => seen.every(({ id }) => id !== state)).length;

async function createGenerations({ url }: BenchServer, { tokens }: BenchPlace, count: number) {
  const generations: { id: string; token: string }[] = [];
  await together(count, async (index) => {
    const token = tokens[index % tokens.length] ?? '';
    const body = { type: 'text-to-image', prompt: 'A quiet bay' };
    const { id } = created.parse(await post(`${url}/v1/generations`, token, body, 201));
    generations.push({ id, token });
  });
  return generations;
}

async function openStreams({ url }: BenchServer, generations: readonly { id: string; token: string }[]) {
  const followed: Followed[] = [];
  await together(generations.length, async (index) => {
    const { id, token } = generations[index] ?? { id: '', token: '' };
    const follower = follow(`${url}/v1/generations/${id}/events`, token);
    followed.push({ id, ...follower });
    await follower.began;
  });
  return followed;
}

/** Makes all generations, and asks for quotas meanwhile. */
async function makeAll({ url }: BenchServer, { tokens }: BenchPlace, { streams: count, rate }: StreamsSize) {
  const leases: Lease[] = [];
  const sentAt = new Map<string, number>();
  let sent = 0;
  let claims = 0;
  let made = 0;

  async function claim(): Promise<void> {
    const at = performance.now();
    claims += 1;
    const answer = claimed.safeParse(await post(`${url}/v1/worker/generations/claim`, WORKER_TOKEN, { workerId: 'w' }));
    if (!answer.success) {
      // Those that wait outside the queue enter it as others end.
      claims -= 1;
      return;
    }
    sentAt.set(`${answer.data.id} 1-processing`, at);
    leases.push(answer.data);
  }

  async function complete({ id, leaseToken }: Lease): Promise<void> {
    sentAt.set(`${id} 2-completed`, performance.now());
    const outputImages = [{ url: `https://pictures.example.com/${id}.png`, filename: 'a.png', size: 12 }];
    await post(`${url}/v1/worker/generations/${id}/complete`, WORKER_TOKEN, { leaseToken, outputImages }, 200);
    made += 1;
  }

  async function readQuota(): Promise<void> {
    const Authorization = `Bearer ${tokens[sent % tokens.length]}`;
    const response = await fetch(`${url}/v1/quota`, { headers: { Authorization } });
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`Answered ${response.status}`);
  }

  const paced = await atPace(rate, () => {
    if (made >= count) return null;
    sent += 1;
    if (sent % 5 === 0 && claims < count) return claim;
    const lease = sent % 5 === 1 ? leases.shift() : undefined;
    return lease ? () => complete(lease) : readQuota;
  });
  return { sentAt, paced };
}

async function post(url: string, token: string, body: unknown, expected?: number): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok || (expected !== undefined && response.status !== expected)) throw new Error(text);
  return text === '' ? null : JSON.parse(text);
}

async function memoryOf({ url }: BenchServer): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return rounded(Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]) / MEBIBYTE);
}

async function together(count: number, act: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: TOGETHER }, one));
}

/** Long after the last event was due. */
const patience = () => new Promise<void>((resolve) => setTimeout(resolve, 10_000).unref());
