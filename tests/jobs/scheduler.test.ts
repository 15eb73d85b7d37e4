import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job, JobObserver } from '@/jobs/job.ts';
import { scheduleOf } from '@/jobs/schedule.ts';
import { type Scheduler, startScheduler } from '@/jobs/scheduler.ts';
import { jobStatesOf } from '@/models/collections.ts';
import type { JobResult } from '@/models/JobState.ts';
import { claimDueJob, claimJob, endJob, prepareJob, readJobState } from '@/repositories/jobLeases.ts';
import { contextOf } from '../support/context.ts';
import { START, useDatabase } from '../support/database.ts';

const store = useDatabase();
const MINUTE = 60_000;
const LEASE_MS = 30_000;
const unobserved: JobObserver = { jobEnded() {}, jobSucceededAt() {} };
const schedulers: Scheduler[] = [];

beforeEach(async () => {
  store.clock.set(START);
  await jobStatesOf(store).deleteMany({});
});
afterEach(async () => {
  await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.stop()));
});

/** A process of its own, as far as the database can tell. It looks at the clock when the test says so. */
function processWith(job: Job, leaseMs = LEASE_MS): Scheduler {
  const scheduler = startScheduler({
    ctx: contextOf(store),
    jobs: [job],
    observer: unobserved,
    leaseMs,
    tickMs: 2 ** 30,
  });
  schedulers.push(scheduler);
  return scheduler;
}

function jobThat(run: (signal: AbortSignal) => Promise<JobResult>, pattern = '* * * * *'): Job {
  return { name: 'work', summary: 'Works.', schedule: scheduleOf(pattern), run };
}

const stateOf = async () => {
  const state = await readJobState(store, 'work');
  if (!state) throw new Error('The job was never prepared');
  return state;
};

describe('jobs in many processes', () => {
  it.each([2, 4])('%i of them run every instant once, however they meet', async (count) => {
    const ran: string[] = [];
    const job = jobThat(async () => {
      ran.push((await stateOf()).startedFor.toISOString());
      return { done: 1 };
    });
    const processes = Array.from({ length: count }, () => processWith(job));
    await Promise.all(processes.map((process) => process.look()));
    const due: string[] = [];
    for (let minute = 1; minute <= 20; minute += 1) {
      store.clock.advance(MINUTE);
      due.push(store.clock.now().toISOString());
      await Promise.all([...processes, ...processes].map((process) => process.look()));
    }
    expect(ran).toEqual(due);
    expect(await stateOf()).toMatchObject({ fence: 20, attempts: 1, doneFor: store.clock.now() });
  });

  it('run nothing for the instants before they were first started, and a missed one once', async () => {
    let runs = 0;
    const job = jobThat(async () => ({ runs: ++runs }), '30 3 * * *');
    await processWith(job).look();
    expect(runs).toBe(0);
    store.clock.advance(5 * 24 * 60 * MINUTE);
    await processWith(job).look();
    await processWith(job).look();
    expect(runs).toBe(1);
    expect((await stateOf()).lastRun).toMatchObject({ instant: new Date('2026-03-15T03:30:00Z'), result: { runs: 1 } });
  });

  it('leave a job alone while another runs it, also over the next instant', async () => {
    const release = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    let runs = 0;
    const job = jobThat(async () => {
      runs += 1;
      entered.resolve();
      await release.promise;
      return {};
    });
    const [one, other] = [processWith(job), processWith(job)];
    await one.look();
    store.clock.advance(MINUTE);
    const first = one.look();
    await entered.promise;
    await other.look();
    store.clock.advance(LEASE_MS / 2);
    await other.look();
    expect(runs).toBe(1);
    release.resolve();
    await first;
  });

  it('ask the database nothing while no job is due', async () => {
    const process = processWith(jobThat(async () => ({})));
    await process.look();
    await process.look();
    let commands = 0;
    const count = () => {
      commands += 1;
    };
    store.connection.getClient().on('commandStarted', count);
    await process.look();
    store.clock.advance(59_999);
    await process.look();
    expect(commands).toBe(0);
    store.clock.advance(1);
    await process.look();
    store.connection.getClient().off('commandStarted', count);
    expect(commands).toBe(2);
  });

  it('go on after their clock has been set back', async () => {
    let runs = 0;
    const process = processWith(jobThat(async () => ({ runs: ++runs })));
    await process.look();
    store.clock.advance(60 * MINUTE);
    await process.look();
    store.clock.set(new Date(START.getTime() + MINUTE));
    await process.look();
    await process.look();
    expect(runs).toBe(1);
    store.clock.advance(MINUTE);
    await process.look();
    expect(runs).toBe(2);
    await claimJob(store, {
      job: 'work',
      instant: store.clock.now(),
      holder: 'of tomorrow',
      leaseMs: 24 * 60 * MINUTE,
    });
    store.clock.advance(MINUTE);
    await process.look();
    await process.look();
    expect(runs).toBe(3);
  });
});

describe('a run', () => {
  it('that a unique index refuses is recorded without the values', async () => {
    const clerkUserId = 'user_anna_of_the_index';
    const twice = jobThat(async () => {
      await store.models.User.create([{ clerkUserId }, { clerkUserId }]);
      return {};
    });
    const process = processWith(twice);
    await process.look();
    store.clock.advance(MINUTE);
    await process.look();
    const { lastRun } = await stateOf();
    expect(lastRun?.error).toMatch(/^MongoServerError: E11000 .* dup key: \[values\]$/);
  });

  it('that fails is recorded with its reason, and the next instant is run', async () => {
    let runs = 0;
    const process = processWith(
      jobThat(async () => {
        runs += 1;
        if (runs === 1) throw new RangeError('out of\nreach');
        return { done: 3 };
      }),
    );
    await process.look();
    store.clock.advance(MINUTE);
    await process.look();
    await process.look();
    expect(runs).toBe(1);
    expect((await stateOf()).lastRun).toMatchObject({ outcome: 'failed', error: 'RangeError: out of' });
    expect(await stateOf()).not.toHaveProperty('lastSuccessAt');
    store.clock.advance(MINUTE);
    await process.look();
    const { lastRun, lastSuccessAt, ...state } = await stateOf();
    expect(lastRun).toMatchObject({ outcome: 'succeeded', result: { done: 3 }, endedAt: store.clock.now() });
    expect(lastRun).not.toHaveProperty('error');
    expect(lastSuccessAt).toEqual(store.clock.now());
    expect(state).not.toHaveProperty('lease');
  });

  it('ends its batch and gives the lease back when its process ends, and another goes on at once', async () => {
    const entered = Promise.withResolvers<void>();
    const first = processWith(
      jobThat(async (signal) => {
        entered.resolve();
        await aborted(signal);
        return { done: 2 };
      }),
    );
    await first.look();
    store.clock.advance(MINUTE);
    const looked = first.look();
    await entered.promise;
    await first.stop();
    await looked;
    expect(await stateOf()).toMatchObject({ attempts: 0, lastRun: { outcome: 'stopped', result: { done: 2 } } });
    expect(await stateOf()).not.toHaveProperty('lease');
    await processWith(jobThat(async () => ({ done: 5 }))).look();
    expect(await stateOf()).toMatchObject({ fence: 2, lastRun: { outcome: 'succeeded', result: { done: 5 } } });
  });

  it('is aborted when its lease has gone to another, and then writes nothing', async () => {
    const leaseMs = 300;
    const reasons: unknown[] = [];
    const process = processWith(
      jobThat(async (signal) => {
        await jobStatesOf(store).updateOne(
          { _id: 'work' },
          { $inc: { fence: 1 }, $set: { 'lastRun.holder': 'thief' } },
        );
        reasons.push(await aborted(signal));
        return { done: 1 };
      }),
      leaseMs,
    );
    await process.look();
    store.clock.advance(MINUTE);
    await process.look();
    expect(reasons).toMatchObject([{ message: 'The lease of the job work was lost' }]);
    expect((await stateOf()).lastRun).toMatchObject({ holder: 'thief', outcome: 'running' });
  });

  it('is aborted before its lease ends when no heartbeat comes through', async () => {
    const leaseMs = 300;
    let aliveAt: Date | undefined;
    const process = processWith(
      jobThat(async (signal) => {
        const { lease } = await stateOf();
        // As close to the end as a process can come that was suspended.
        store.clock.set(new Date((lease?.expiresAt.getTime() ?? 0) - 1));
        await aborted(signal);
        aliveAt = lease?.expiresAt;
        return {};
      }),
      leaseMs,
    );
    await process.look();
    store.clock.advance(MINUTE);
    await process.look();
    expect(aliveAt && store.clock.now() < aliveAt).toBe(true);
    expect((await stateOf()).doneFor).toEqual(START);
  });

  it('keeps its lease as long as it takes', async () => {
    const leaseMs = 300;
    const process = processWith(
      jobThat(async (signal) => {
        for (let step = 0; step < 4; step += 1) {
          store.clock.advance(leaseMs / 2);
          const { lease } = await stateOf();
          await untilRenewed(lease?.expiresAt);
        }
        return { aborted: Number(signal.aborted) };
      }),
      leaseMs,
    );
    await process.look();
    store.clock.advance(MINUTE);
    await process.look();
    expect((await stateOf()).lastRun).toMatchObject({ outcome: 'succeeded', result: { aborted: 0 } });
  });

  it('whose process dies each time is given up after three, and the next instant is run', async () => {
    const claim = { job: 'work', holder: 'dying', leaseMs: LEASE_MS, instant: new Date(START.getTime() + MINUTE) };
    await prepareJob(store, 'work', START);
    store.clock.advance(MINUTE);
    for (const fence of [1, 2, 3]) {
      expect(await claimDueJob(store, claim)).toMatchObject({ fence });
      expect(await claimDueJob(store, claim)).toBeNull();
      store.clock.advance(LEASE_MS);
    }
    let runs = 0;
    const process = processWith(jobThat(async () => ({ runs: ++runs }), '1 9,10 * * *'));
    await process.look();
    expect(runs).toBe(0);
    expect(await stateOf()).toMatchObject({ doneFor: claim.instant, lastRun: { outcome: 'lost' } });
    store.clock.advance(60 * MINUTE);
    await process.look();
    expect(runs).toBe(1);
  });

  it('whose end cannot be recorded keeps its lease, so that another process runs it again', async () => {
    const process = processWith(
      jobThat(async () => {
        // As good as a database out of reach: whatever is written about the run is refused.
        await store.connection.db?.command({ collMod: 'jobs', validator: { doneFor: { $lte: START } } });
        return { done: 1 };
      }),
    );
    await process.look();
    store.clock.advance(MINUTE);
    await process.look();
    await store.connection.db?.command({ collMod: 'jobs', validator: {} });
    expect(await stateOf()).toMatchObject({ doneFor: START, lastRun: { outcome: 'running' } });
    store.clock.advance(LEASE_MS);
    await processWith(jobThat(async () => ({ done: 2 }))).look();
    expect(await stateOf()).toMatchObject({ fence: 2, lastRun: { outcome: 'succeeded', result: { done: 2 } } });
  });

  it('of a holder that was suspended leaves the record of its successor alone', async () => {
    await prepareJob(store, 'work', START);
    const claim = { job: 'work', instant: new Date(START.getTime() + MINUTE), holder: 'one', leaseMs: LEASE_MS };
    store.clock.advance(MINUTE);
    const lost = await claimDueJob(store, claim);
    store.clock.advance(LEASE_MS);
    const held = await claimDueJob(store, { ...claim, holder: 'two' });
    if (!lost || !held) throw new Error('Not claimed');
    expect(held.fence).toBe(lost.fence + 1);
    expect(await endJob(store, lost, { outcome: 'succeeded', result: { done: 9 } })).toBe(false);
    expect(await endJob(store, held, { outcome: 'succeeded', result: { done: 1 } })).toBe(true);
    expect((await stateOf()).lastRun).toMatchObject({ holder: 'two', result: { done: 1 } });
    expect(await claimJob(store, claim)).toMatchObject({ fence: 3 });
  });
});

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason), { once: true }));
}

async function untilRenewed(expiresAt: Date | undefined): Promise<void> {
  for (;;) {
    const { lease } = await stateOf();
    if (lease && expiresAt && lease.expiresAt > expiresAt) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
