import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';
import { eventsOf } from '../support/events.ts';
import { parseExposition, sumOf } from '../support/exposition.ts';
import type { Runtime, ServerProcess } from '../support/processes.ts';

const store = useDatabase();
const cluster = useCluster(store);
const IMAGE = JSON.stringify({ type: 'text-to-image', prompt: 'A quiet bay' });
const created = z.object({ id: z.string() });

/** Starts an API that draws nothing, and somebody who waits for a picture. */
async function waiting(runtime: Runtime) {
  const server = await cluster.start(runtime, { ARTIFEX_WORKER: 'off' });
  const Authorization = await cluster.authorizationOf(cluster.newPerson());
  const headers = { Authorization, 'Content-Type': 'application/json' };
  const response = await fetch(`${server.url}/v1/generations`, { method: 'POST', headers, body: IMAGE });
  const { id } = created.parse(await response.json());
  const follow = (signal?: AbortSignal) =>
    fetch(`${server.url}/v1/generations/${id}/events`, { headers: { Authorization }, ...(signal && { signal }) });
  return { server, follow };
}

async function openStreams({ url }: ServerProcess): Promise<number> {
  const response = await fetch(`${url}/metrics`);
  return sumOf(parseExposition(await response.text()), 'artifex_event_streams');
}

async function untilOpen(server: ServerProcess, count: number): Promise<void> {
  while ((await openStreams(server)) !== count) await new Promise((resolve) => setTimeout(resolve, 25));
}

describe.each<Runtime>(['bun', 'node'])('event streams on %s', (runtime) => {
  it('end between two events at SIGTERM, and the process ends with status 0 without waiting for their clients', async () => {
    const { server, follow } = await waiting(runtime);
    const streams = await Promise.all(Array.from({ length: 20 }, async () => eventsOf(await follow())));
    for (const stream of streams) expect(await stream.next()).toMatchObject({ id: '0-pending' });
    expect(await openStreams(server)).toBe(20);
    const began = performance.now();
    const ending = server.end();
    for (const stream of streams) expect(await stream.next()).toBeNull();
    expect(await ending).toBe(0);
    // Below every time limit that could have cut them off.
    expect(performance.now() - began).toBeLessThan(8_000);
  }, 30_000);

  it('are forgotten when their clients go away, whether they were reading or not', async () => {
    const { server, follow } = await waiting(runtime);
    const leaving = new AbortController();
    const gone = await Promise.all(Array.from({ length: 10 }, () => follow(leaving.signal)));
    const reading = gone.slice(0, 5).map(async (response) => {
      const events = eventsOf(response);
      await events.next();
      return events.next();
    });
    const outcomes = Promise.allSettled(reading);
    const stays = eventsOf(await follow());
    await stays.next();
    await untilOpen(server, 11);
    leaving.abort();
    await untilOpen(server, 1);
    expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true);
    await stays.close();
    await untilOpen(server, 0);
    expect(await server.end()).toBe(0);
  }, 30_000);
});
