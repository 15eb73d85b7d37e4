import type { Types } from 'mongoose';
import { errorFields } from '../config/log.ts';
import type { Actor } from '../domain/audit.ts';
import { followSubscription, usersToFollow } from '../models/statements/following.ts';
import { recordOpenActs } from '../repositories/audit.ts';
import { endStalledAttempts, owingGenerations } from '../repositories/queue.ts';
import { accountsToSettle, settle } from '../repositories/settlement.ts';
import type { Context } from './context.ts';
import { payWhatIsOwed } from './endGeneration.ts';

/** What one sweep did. */
export interface Swept {
  attemptsEnded: number;
  obligationsPaid: number;
  entriesSettled: number;
  subscriptionsFollowed: number;
  actsRecorded: number;
}

/** Milliseconds that an open entry is left to the process that made it. */
export const SETTLING_GRACE_MS = 2_000;

const OBLIGATION_BATCH = 100;
const FOLLOWING_BATCH = 100;

const SWEEPER: Actor = { kind: 'job', id: 'sweep' };

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
  const subscriptionsFollowed = await followAll(ctx);
  const actsRecorded = await recordOpenActs(ctx);
  return { attemptsEnded, obligationsPaid, entriesSettled, subscriptionsFollowed, actsRecorded };
}

/** Who changes a subscription lets the user's account follow at once; this is for those who died before. */
async function followAll(ctx: Context): Promise<number> {
  const users = await usersToFollow(ctx, FOLLOWING_BATCH);
  return eachOf(ctx, users, (userId) => followSubscription(ctx, userId, SWEEPER));
}

async function payObligations(ctx: Context): Promise<number> {
  const readAt = ctx.clock.now();
  const owing = await owingGenerations(ctx, OBLIGATION_BATCH);
  const paid = await eachOf(ctx, owing, (generation) => payWhatIsOwed(ctx, generation, readAt));
  // Settling clears the obligations, so that the next batch holds others.
  await settleBatch(ctx, [...new Map(owing.map(({ userId }) => [userId.toHexString(), userId])).values()]);
  return paid === OBLIGATION_BATCH ? paid + (await payObligations(ctx)) : paid;
}

async function settleAll(ctx: Context, dueBy: Date): Promise<number> {
  const settled = await settleBatch(ctx, await accountsToSettle(ctx, dueBy));
  return settled > 0 ? settled + (await settleAll(ctx, dueBy)) : 0;
}

/** Settles the accounts together, and one by one where that fails, so that a damaged one does not hold up the others. */
async function settleBatch(ctx: Context, accounts: Types.ObjectId[]): Promise<number> {
  if (accounts.length === 0) return 0;
  try {
    return await settle(ctx, accounts);
  } catch {
    let settled = 0;
    await eachOf(ctx, accounts, async (account) => {
      settled += await settle(ctx, [account]);
    });
    return settled;
  }
}

/** Does it for each item, whatever happens to the others; returns for how many it was done. */
async function eachOf<Item>(ctx: Context, items: readonly Item[], act: (item: Item) => Promise<void>): Promise<number> {
  let done = 0;
  for (const item of items) {
    try {
      await act(item);
      done += 1;
    } catch (error) {
      ctx.log.error('the sweep left something undone', errorFields(error));
    }
  }
  return done;
}
