import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemClock } from '@/domain/clock.ts';
import { jobStatesOf } from '@/models/collections.ts';
import { claimDueJob, prepareJob, readJobState } from '@/repositories/jobLeases.ts';
import { databaseUri, useDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';

const store = useDatabase();
const LEASE_MS = 1_200;
const EVERY_SECOND = '* * * * * *';
const runLine = z.object({
  running: z.object({ instant: z.coerce.date(), fence: z.number(), at: z.coerce.date(), pid: z.number() }),
});
const started: ReturnType<typeof startProcess>[] = [];

function jobProcess(runtime: 'bun' | 'node', env: Record<string, string> = {}) {
  const process = startProcess(runtime, ['tests/support/jobProcess.ts'], {
    MONGODB_URI: databaseUri(store.connection.name),
    JOB_PATTERN: EVERY_SECOND,
    JOB_LEASE_MS: String(LEASE_MS),
    ...env,
  });
  started.push(process);
  return process;
}

const runIn = (line: string) => {
  const parsed = line.startsWith('{') ? runLine.safeParse(JSON.parse(line)) : undefined;
  return parsed?.data?.running;
};

const runs = () => store.connection.collection('runs').find({}).sort({ instant: 1 }).toArray();

beforeEach(async () => {
  await jobStatesOf(store).deleteMany({});
  await store.connection.collection('runs').deleteMany({});
});
afterAll(() => Promise.all(started.map((process) => process.kill())));

describe('job processes over one database', () => {
  it.each([2, 4])(
    '%i of them run each second once, and a shutdown leaves no lease',
    async (count) => {
      const processes = Array.from({ length: count }, (_, index) => jobProcess(index % 2 === 0 ? 'node' : 'bun'));
      while ((await runs()).length < 4) await new Promise((resolve) => setTimeout(resolve, 50));
      const statuses = await Promise.all(processes.map((process) => process.end()));
      expect(statuses).toEqual(processes.map(() => 0));
      const instants = (await runs()).map(({ instant }) => instant.getTime());
      expect(new Set(instants).size).toBe(instants.length);
      expect(await readJobState(store, 'work')).not.toHaveProperty('lease');
    },
    30_000,
  );

  it('take over from one that was killed with -9, when its lease has ended and not before', async () => {
    const victim = jobProcess('bun', { JOB_HANGS: 'yes' });
    const held = await victim.waitFor(runIn);
    const successor = jobProcess('node');
    await successor.waitFor((line) => (line.includes('started') ? line : undefined));
    await victim.kill();
    const state = await readJobState(store, 'work');
    const leaseEnd = state?.lease?.expiresAt;
    const takenOver = await successor.waitFor(runIn);
    expect(leaseEnd && takenOver.at >= leaseEnd).toBe(true);
    expect(takenOver.fence).toBe(held.fence + 1);
    await successor.end();
    expect((await readJobState(store, 'work'))?.lastRun).toMatchObject({ outcome: 'succeeded' });
  }, 30_000);

  it('are kept off an instant for which they come too late', async () => {
    const now = systemClock().now();
    store.clock.set(now);
    await prepareJob(store, 'work', new Date(now.getTime() - 60_000));
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        claimDueJob(store, { job: 'work', instant: now, holder: String(index), leaseMs: LEASE_MS }),
      ),
    );
    expect(claims.filter((claim) => claim !== null)).toMatchObject([{ fence: 1 }]);
  });
});
