import type { Context } from '../workflows/context.ts';
import { sweep } from '../workflows/sweep.ts';
import type { JobObserver } from './job.ts';
import { type RunningJob, repeat } from './repeat.ts';

const SWEEP_INTERVAL_MS = 5_000;

/** Finishes, every few seconds, what crashes left open. */
export function startSweeper(ctx: Context, observer: JobObserver): RunningJob {
  return repeat('sweep', SWEEP_INTERVAL_MS, ctx.log, async () => {
    const startedAt = performance.now();
    const seconds = () => (performance.now() - startedAt) / 1000;
    const swept = await sweep(ctx).catch((error: unknown) => {
      observer.jobEnded('sweep', 'failed', seconds());
      throw error;
    });
    observer.jobEnded('sweep', 'succeeded', seconds(), { ...swept });
    if (Object.values(swept).some((count) => count > 0)) ctx.log.info('swept', { ...swept });
  });
}
