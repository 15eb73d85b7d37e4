import { errorFields } from '../config/log.ts';
import {
  abandonLostJob,
  claimDueJob,
  forgetFuture,
  type JobClaim,
  prepareJob,
  readJobState,
} from '../repositories/jobLeases.ts';
import type { Job } from './job.ts';
import type { RunningJob } from './repeat.ts';
import { JOB_LEASE_MS, type RunDeps, runJob } from './runJob.ts';

export interface SchedulerDeps extends Omit<RunDeps, 'leaseMs'> {
  jobs: readonly Job[];
  leaseMs?: number;
  /** Milliseconds between two looks at the clock. */
  tickMs?: number;
}

export interface Scheduler extends RunningJob {
  /** Starts what is due now and free; resolves when that has ended. */
  look(): Promise<void>;
}

const TICK_MS = 1_000;

/**
 * Runs jobs at the instants of their schedules, in any number of processes at once: for each instant, one of them does. An
 * instant that all have missed is made up for once, by the latest one; a process that died is taken over when its lease has
 * ended. A look costs the database nothing while no job is due.
 */
export function startScheduler(options: SchedulerDeps): Scheduler {
  const { ctx, jobs, observer, leaseMs = JOB_LEASE_MS, tickMs = TICK_MS } = options;
  const holder = crypto.randomUUID();
  const stopping = new AbortController();
  const prepared = new Set<string>();
  const running = new Map<string, Promise<void>>();
  /** By the clock of jobs: while this lasts, a look at the job would be in vain. */
  const idle = new Map<string, { from: Date; until: Date }>();

  async function lookAt(job: Job): Promise<void> {
    const instant = job.schedule.latest(ctx.clock.now());
    if (!prepared.has(job.name)) {
      await prepareJob(ctx, job.name, instant);
      prepared.add(job.name);
    }
    const claim = { job: job.name, instant, holder, leaseMs };
    const lease = await claimDueJob(ctx, claim);
    if (!lease) return learn(job, claim);
    const { outcome } = await runJob({ ctx, observer, leaseMs }, job, lease, stopping.signal);
    if (outcome === 'succeeded' || outcome === 'failed') rest(job, job.schedule.next(instant));
  }

  /** Why there is nothing to do: it is done, until the next instant; or somebody does it, as long as his lease runs. */
  async function learn(job: Job, claim: Omit<JobClaim, 'holder'>): Promise<void> {
    const state = await readJobState(ctx, job.name);
    if (!state) return void prepared.delete(job.name);
    if (await forgetFuture(ctx, state, claim)) return;
    if (state.lastSuccessAt) observer.jobSucceededAt(job.name, state.lastSuccessAt);
    if (state.doneFor >= claim.instant) return rest(job, job.schedule.next(claim.instant));
    if (state.lease && state.lease.expiresAt > ctx.clock.now()) return rest(job, state.lease.expiresAt);
    if (await abandonLostJob(ctx, claim)) {
      const instant = claim.instant.toISOString();
      ctx.log.error('a job is given up for this instant: every process that ran it died', { job: job.name, instant });
    }
  }

  function rest({ name }: Job, until: Date): void {
    idle.set(name, { from: ctx.clock.now(), until });
  }

  function isWorthALook({ name }: Job): boolean {
    const rests = idle.get(name);
    const now = ctx.clock.now();
    // A clock that has been set back may have passed instants twice.
    return !running.has(name) && (rests === undefined || now < rests.from || now >= rests.until);
  }

  function start(job: Job): Promise<void> {
    const run = lookAt(job)
      .catch((error: unknown) => {
        ctx.log.warn('a job cannot be looked at and will be tried again', { job: job.name, ...errorFields(error) });
      })
      .finally(() => running.delete(job.name));
    running.set(job.name, run);
    return run;
  }

  async function look(): Promise<void> {
    if (stopping.signal.aborted) return;
    await Promise.all(jobs.filter(isWorthALook).map(start));
  }

  const timer = setInterval(look, tickMs);
  return {
    look,
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await Promise.all(running.values());
    },
  };
}
