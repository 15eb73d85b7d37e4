import { type Claim, claimGeneration, type Leased } from '../repositories/queue.ts';
import type { Context } from './context.ts';

/**
 * Leases the longest-waiting generation to a worker, or answers null when none waits. What this process was told of a moment ago may
 * just be entering the queue: that is waited for, so that whoever has created a generation can claim it at once.
 */
export async function claim(ctx: Context, asked: Claim): Promise<Leased | null> {
  const claimed = (await claimGeneration(ctx, asked)) ?? (await claimEntering(ctx, asked));
  if (claimed) ctx.announcer.notice(claimed._id);
  return claimed;
}

async function claimEntering(ctx: Context, asked: Claim): Promise<Leased | null> {
  return (await ctx.queue.entered()) ? claimGeneration(ctx, asked) : null;
}
