import { errorFields, messageOf } from '../config/log.ts';
import type { JobResult } from '../models/JobState.ts';
import {
  endJob,
  giveJobBack,
  type JobLease,
  keepJobProgress,
  readJobState,
  renewJobLease,
} from '../repositories/jobLeases.ts';
import type { Context } from '../workflows/context.ts';
import type { Job, JobObserver, JobProgress, RunOutcome } from './job.ts';

export interface RunDeps {
  ctx: Pick<Context, 'models' | 'clock' | 'log'>;
  observer: JobObserver;
  /** Milliseconds without a heartbeat after which another process may take over. */
  leaseMs: number;
}

/** Heartbeats within one lease: all but the last may fail. */
const HEARTBEATS_PER_LEASE = 6;

export const JOB_LEASE_MS = 30_000;

/**
 * Runs a job under its lease, records how it ended, and gives the lease back.
 *
 * @param stopping aborted when the process is to end
 */
export async function runJob(
  { ctx, observer, leaseMs }: RunDeps,
  job: Job,
  lease: JobLease,
  stopping: AbortSignal,
): Promise<{ outcome: RunOutcome; result?: JobResult }> {
  const startedAt = performance.now();
  const holding = holdLease(ctx, lease, leaseMs);
  const signal = AbortSignal.any([stopping, holding.lost]);
  let result: JobResult | undefined;
  let failure: unknown;
  try {
    if (!signal.aborted) result = await job.run(signal, progressOf(ctx, lease));
  } catch (error) {
    failure = error;
  } finally {
    holding.end();
  }
  const outcome = await record().catch((error: unknown): RunOutcome => {
    // The lease ends by itself, and another process runs the job again: whatever it does may be done twice.
    ctx.log.error('the end of a job cannot be recorded', { job: job.name, ...errorFields(error) });
    return 'lost';
  });
  const seconds = (performance.now() - startedAt) / 1000;
  observer.jobEnded(job.name, outcome, seconds, result);
  if (outcome === 'succeeded') observer.jobSucceededAt(job.name, ctx.clock.now());
  tell(outcome, seconds);
  return { outcome, ...(result && { result }) };

  async function record(): Promise<RunOutcome> {
    if (holding.lost.aborted) return 'lost';
    if (stopping.aborted) return (await giveJobBack(ctx, lease, result)) ? 'stopped' : 'lost';
    if (result === undefined) {
      return (await endJob(ctx, lease, { outcome: 'failed', error: textOf(failure) })) ? 'failed' : 'lost';
    }
    return (await endJob(ctx, lease, { outcome: 'succeeded', result })) ? 'succeeded' : 'lost';
  }

  function tell(ended: RunOutcome, seconds: number): void {
    const { holder, fence, instant } = lease;
    const fields = { job: job.name, instant: instant.toISOString(), holder, fence, seconds, ...result };
    if (ended === 'failed') ctx.log.error('a job failed', { ...fields, ...errorFields(failure) });
    else if (ended === 'lost') ctx.log.warn('a job was taken over by another process', fields);
    else if (ended === 'stopped') ctx.log.info('a job was stopped; another process goes on', fields);
    else if (Object.values(result ?? {}).some((count) => count > 0)) ctx.log.info('a job has done its work', fields);
    else ctx.log.debug('a job found nothing to do', fields);
  }
}

function progressOf(ctx: RunDeps['ctx'], lease: JobLease): JobProgress {
  return {
    read: async () => (await readJobState(ctx, lease.job))?.progress,
    async keep(progress) {
      if (!(await keepJobProgress(ctx, lease, progress))) throw new Error(`The lease of the job ${lease.job} was lost`);
    },
  };
}

/** What is recorded of an error: its kind and its first line, as the log would have it. The stack goes to the log alone. */
function textOf(failure: unknown): string {
  if (!(failure instanceof Error)) return typeof failure;
  return `${failure.name}: ${messageOf(failure).split('\n')[0]}`.slice(0, 500);
}

/**
 * Renews the lease until it is ended. It counts as lost when another has it, and also when no heartbeat has come through for so
 * long that another may have it before the next one.
 */
function holdLease(ctx: RunDeps['ctx'], lease: JobLease, leaseMs: number) {
  const lost = new AbortController();
  const heartbeatMs = leaseMs / HEARTBEATS_PER_LEASE;
  let current = lease;

  async function beat(): Promise<void> {
    const renewed = await renewJobLease(ctx, current, leaseMs);
    if (renewed === null) lose();
    else if (renewed.expiresAt > current.expiresAt) current = renewed;
  }

  function lose(): void {
    lost.abort(new Error(`The lease of the job ${lease.job} was lost`));
  }

  function loseIfLate(): void {
    if (ctx.clock.now().getTime() + heartbeatMs >= current.expiresAt.getTime()) lose();
  }

  // The process may have been suspended since it asked for the lease.
  loseIfLate();
  const timer = setInterval(() => {
    loseIfLate();
    beat().catch((error: unknown) => {
      ctx.log.warn('a job cannot renew its lease', { job: lease.job, ...errorFields(error) });
    });
  }, heartbeatMs);
  return { lost: lost.signal, end: () => clearInterval(timer) };
}
