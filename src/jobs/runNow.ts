import type { JobResult, JobState } from '../models/JobState.ts';
import { claimJob, forgetFuture, prepareJob, readJobState } from '../repositories/jobLeases.ts';
import type { Job, RunOutcome } from './job.ts';
import { type RunDeps, runJob } from './runJob.ts';

export type RunNow =
  | { outcome: RunOutcome; result?: JobResult; error?: string }
  | { outcome: 'held'; lease: JobState['lease'] };

/** Runs a job now, due or not, under the same lease as everybody else; `held` while another process runs it. */
export async function runNow(deps: RunDeps, job: Job, stopping: AbortSignal): Promise<RunNow> {
  const { ctx, leaseMs } = deps;
  const instant = job.schedule.latest(ctx.clock.now());
  await prepareJob(ctx, job.name, instant);
  const claim = { job: job.name, instant, holder: crypto.randomUUID(), leaseMs };
  const state = await readJobState(ctx, job.name);
  if (state) await forgetFuture(ctx, state, claim);
  const lease = await claimJob(ctx, claim);
  if (!lease) return { outcome: 'held', lease: (await readJobState(ctx, job.name))?.lease };
  const ran = await runJob(deps, job, lease, stopping);
  const error = ran.outcome === 'failed' ? (await readJobState(ctx, job.name))?.lastRun?.error : undefined;
  return { ...ran, ...(error !== undefined && { error }) };
}
