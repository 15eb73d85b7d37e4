import type { Context } from '../workflows/context.ts';
import { sweep } from '../workflows/sweep.ts';
import { type RunningJob, repeat } from './repeat.ts';

const SWEEP_INTERVAL_MS = 5_000;

/** Finishes, every few seconds, what crashes left open. */
export function startSweeper(ctx: Context): RunningJob {
  return repeat('sweep', SWEEP_INTERVAL_MS, ctx.log, async () => {
    const swept = await sweep(ctx);
    if (Object.values(swept).some((count) => count > 0)) ctx.log.info('swept', { ...swept });
  });
}
