import { endStalledAttempts, owingGenerations } from '../repositories/queue.ts';
import { accountsToSettle, settle } from '../repositories/settlement.ts';
import type { Context } from './context.ts';
import { payWhatIsOwed } from './endGeneration.ts';

/** What one sweep did. */
export interface Swept {
  attemptsEnded: number;
  obligationsPaid: number;
  entriesSettled: number;
}

/** Milliseconds that an open entry is left to the process that made it. */
export const SETTLING_GRACE_MS = 2_000;

const OBLIGATION_BATCH = 100;

/**
 * Brings to its end whatever a crash or a lost answer left open: attempts without a living worker, refunds and deliveries
 * that are owed, charges without ledger entry or generation. Any number of processes may sweep at once.
 *
 * @param graceMs how old an open entry has to be
 */
export async function sweep(ctx: Context, graceMs: number = SETTLING_GRACE_MS): Promise<Swept> {
  const attemptsEnded = await endStalledAttempts(ctx);
  if (attemptsEnded > 0) ctx.queue.wake();
  const obligationsPaid = await payObligations(ctx);
  const entriesSettled = await settleAll(ctx, new Date(ctx.clock.now().getTime() - graceMs));
  return { attemptsEnded, obligationsPaid, entriesSettled };
}

async function payObligations(ctx: Context): Promise<number> {
  const readAt = ctx.clock.now();
  const owing = await owingGenerations(ctx, OBLIGATION_BATCH);
  for (const generation of owing) await payWhatIsOwed(ctx, generation, readAt);
  if (owing.length === 0) return 0;
  // Settling clears the obligations, so that the next batch holds others.
  await settle(ctx, [...new Map(owing.map(({ userId }) => [userId.toHexString(), userId])).values()]);
  return owing.length + (owing.length === OBLIGATION_BATCH ? await payObligations(ctx) : 0);
}

async function settleAll(ctx: Context, dueBy: Date): Promise<number> {
  const accounts = await accountsToSettle(ctx, dueBy);
  if (accounts.length === 0) return 0;
  const settled = await settle(ctx, accounts);
  return settled + (settled > 0 ? await settleAll(ctx, dueBy) : 0);
}
