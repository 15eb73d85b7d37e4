import type { Log } from '../config/log.ts';
import type { Context } from '../workflows/context.ts';
import { sweep } from '../workflows/sweep.ts';
import { type RunningJob, repeat } from './repeat.ts';

const SWEEP_INTERVAL_MS = 5_000;

/** Finishes, every few seconds, what crashes left open. */
export function startSweeper(ctx: Context, log: Log): RunningJob {
  return repeat('sweep', SWEEP_INTERVAL_MS, log, async () => {
    const swept = await sweep(ctx);
    if (Object.values(swept).some((count) => count > 0)) log.info('swept', { ...swept });
  });
}
