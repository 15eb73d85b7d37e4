import { beforeAll, describe, expect, it } from 'vitest';
import { jobStatesOf } from '@/models/collections.ts';
import { readJobState, readJobStates } from '@/repositories/jobLeases.ts';
import { useCluster } from '../support/cluster.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import { parseExposition, type Sample, sumOf } from '../support/exposition.ts';
import type { Runtime, ServerProcess } from '../support/processes.ts';

const store = useDatabase();
const cluster = useCluster(store);
const MONTH_SECONDS = 32 * 24 * 60 * 60;

beforeAll(() => store.clock.set(new Date()));

async function scrape(server: ServerProcess): Promise<Sample[]> {
  const response = await fetch(`${server.url}/metrics`);
  return parseExposition(await response.text());
}

describe.each<Runtime>(['bun', 'node'])('a server on %s', (runtime) => {
  it('measures its process, its event loop, its requests and its database', async () => {
    const server = await cluster.start(runtime, { ARTIFEX_WORKER: 'off' });
    const samples = await scrape(server);
    await server.end();
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total', 'nodejs_eventloop_lag_seconds']) {
      expect(samples.some((sample) => sample.name === name)).toBe(true);
    }
    expect(sumOf(samples, 'artifex_http_requests_total', { route: '/readyz' })).toBeGreaterThan(0);
    expect(
      sumOf(samples, 'artifex_database_command_duration_seconds_count', { command: 'createIndexes' }),
    ).toBeGreaterThan(0);
    expect(sumOf(samples, 'artifex_database_pool_size')).toBeGreaterThan(0);
  }, 30_000);
});

describe('servers that come up when all jobs are due', () => {
  it('run each of them once between them, and tell of it', async () => {
    const user = await signUp(store);
    await jobStatesOf(store).deleteMany({});
    // The first to come finds no jobs to make up for.
    const first = await cluster.start('bun', { ARTIFEX_WORKER: 'off' });
    while ((await readJobStates(store)).length < 4) await new Promise((resolve) => setTimeout(resolve, 50));
    await first.end();
    const later = { ARTIFEX_WORKER: 'off', ARTIFEX_CLOCK_OFFSET: String(MONTH_SECONDS) };
    const servers = await Promise.all([cluster.start('bun', later), cluster.start('node', later)]);
    const scrapeAll = async () => (await Promise.all(servers.map(scrape))).flat();
    const succeeded = (found: Sample[], job: string) =>
      sumOf(found, 'artifex_job_runs_total', { job, outcome: 'succeeded' });
    let samples = await scrapeAll();
    while (!['cleanup', 'quota-resets'].every((job) => succeeded(samples, job) > 0)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      samples = await scrapeAll();
    }
    expect(await Promise.all(servers.map((server) => server.end()))).toEqual([0, 0]);
    expect(succeeded(samples, 'cleanup')).toBe(1);
    expect((await readUser(store, user)).periodNumber).toBe(2);
    expect(sumOf(samples, 'artifex_job_work_total', { job: 'quota-resets', what: 'usersReset' })).toBe(1);
    expect(await readJobState(store, 'cleanup')).toMatchObject({ fence: 1 });
    for (const state of await readJobStates(store)) expect(state).not.toHaveProperty('lease');
  }, 60_000);
});
