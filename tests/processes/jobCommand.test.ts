import { beforeAll, describe, expect, it } from 'vitest';
import { jobStatesOf } from '@/models/collections.ts';
import { claimJob, prepareJob, readJobState } from '@/repositories/jobLeases.ts';
import { databaseUri, useDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';

const store = useDatabase();

beforeAll(() => store.clock.set(new Date()));

async function job(...args: string[]) {
  const process = startProcess('bun', ['scripts/job.ts', ...args], {
    MONGODB_URI: databaseUri(store.connection.name),
    LOG_LEVEL: 'error',
  });
  await process.closed;
  return { status: process.child.exitCode, output: process.output };
}

describe('npm run job', () => {
  it('runs a job now, and then lists it with its last and its next run', async () => {
    const { status, output } = await job('cleanup');
    expect(output).toEqual([
      'cleanup succeeded  oldGenerationsRemoved=0 failedGenerationsRemoved=0 subscriptionsUpdated=0',
    ]);
    expect(status).toBe(0);
    expect((await readJobState(store, 'cleanup'))?.lastRun).toMatchObject({ outcome: 'succeeded' });
    const listed = await job();
    expect(listed.status).toBe(0);
    expect(listed.output[0]).toMatch(/^job +schedule \(UTC\) +last run +next run +does$/);
    expect(listed.output.find((line) => line.startsWith('cleanup'))).toMatch(
      /^cleanup +30 3 \* \* \* +\d{4}-\S+Z succeeded oldGenerationsRemoved=0 .* \d{4}-\d\d-\d\dT03:30:00.000Z +\S/,
    );
    expect(listed.output.find((line) => line.startsWith('stalled-generations'))).toMatch(/ never +\d{4}-/);
    expect(listed.output.map((line) => line.split(' ')[0]).sort()).toEqual([
      'cleanup',
      'job',
      'quota-resets',
      'rollups',
      'stalled-generations',
      'waiting-webhooks',
      'webhook-history',
    ]);
  });

  it('refuses while another process runs the job, and names it', async () => {
    const instant = store.clock.now();
    await jobStatesOf(store).deleteMany({});
    await prepareJob(store, 'cleanup', instant);
    await claimJob(store, { job: 'cleanup', instant, holder: 'the-other-one', leaseMs: 3_600_000 / 120 });
    const { status, output } = await job('cleanup');
    expect(output).toEqual([expect.stringMatching(/^cleanup is being run by the-other-one, whose lease ends at /)]);
    expect(status).toBe(1);
  });

  it('refuses a job that there is not, and names those that there are', async () => {
    const { status, output } = await job('toaster');
    expect(output).toEqual([expect.stringMatching(/^There is no job "toaster": choose of .*cleanup/)]);
    expect(status).toBe(1);
  });
});
