import type { Types } from 'mongoose';
import { errorFields } from '../config/log.ts';
import type { Actor } from '../domain/audit.ts';
import { ACT_HOLDER_MODELS, type ActHolder, type ActHolderModel } from '../models/collections.ts';
import { followSubscription, usersToFollow } from '../models/statements/following.ts';
import { holdersOfActs, recordOpenActs } from '../repositories/audit.ts';
import { owingGenerations } from '../repositories/queue.ts';
import { accountsToSettle, type Settled, settle } from '../repositories/settlement.ts';
import { endGraces } from '../repositories/syncedSubscriptions.ts';
import type { Context } from './context.ts';
import { endStalled, payWhatIsOwed } from './endGeneration.ts';
import { publishEvents } from './publishEvents.ts';

/** What one sweep did. */
export interface Swept {
  attemptsEnded: number;
  obligationsPaid: number;
  entriesSettled: number;
  subscriptionsFollowed: number;
  actsRecorded: number;
  eventsPublished: number;
}

/** Milliseconds that an open entry is left to the process that made it. */
export const SETTLING_GRACE_MS = 2_000;

const OBLIGATION_BATCH = 100;
const FOLLOWING_BATCH = 100;
const ACT_BATCH = 100;

const SWEEPER: Actor = { kind: 'job', id: 'sweep' };

/**
 * Brings to its end whatever a crash or a lost answer left open: attempts without a living worker, refunds and deliveries
 * that are owed, charges without ledger entry or generation. Any number of processes may sweep at once.
 *
 * @param graceMs for how long an open entry has to have been due
 */
export async function sweep(ctx: Context, graceMs: number = SETTLING_GRACE_MS): Promise<Swept> {
  const attemptsEnded = await endStalled(ctx);
  const obligationsPaid = await payObligations(ctx);
  const dueBy = new Date(ctx.clock.now().getTime() - graceMs);
  const entriesSettled = await settleAll(ctx, dueBy);
  await endGraces(ctx);
  const subscriptionsFollowed = await followAll(ctx);
  const actsRecorded = await recordActs(ctx);
  // Nobody but the sweep tells of what it has ended itself.
  const announcedBy = attemptsEnded > 0 ? ctx.clock.now() : dueBy;
  const { deliveries: eventsPublished } = await publishEvents(ctx, announcedBy, (error) => {
    ctx.log.error('the sweep left something undone', errorFields(error));
  });
  if (eventsPublished > 0) ctx.courier.wake();
  return { attemptsEnded, obligationsPaid, entriesSettled, subscriptionsFollowed, actsRecorded, eventsPublished };
}

/**
 * Who changes a subscription lets the user's account follow at once; this is for those who died before. Each user once in a sweep, so
 * that those who cannot be brought on hold up neither the sweep nor the others.
 */
async function followAll(ctx: Context): Promise<number> {
  const seen: Types.ObjectId[] = [];
  let followed = 0;
  for (;;) {
    const users = await usersToFollow(ctx, FOLLOWING_BATCH, seen);
    if (users.length === 0) return followed;
    seen.push(...users);
    const left = await eachOf(ctx, users, (userId) => followSubscription(ctx, userId, SWEEPER));
    followed += users.length - left.length;
  }
}

/** Each document once in a sweep, like the users above. */
async function recordActs(ctx: Context): Promise<number> {
  let recorded = 0;
  for (const model of ACT_HOLDER_MODELS) {
    const seen: Types.ObjectId[] = [];
    for (;;) {
      const holders = await holdersOfActs(ctx, model, ACT_BATCH, seen);
      if (holders.length === 0) break;
      seen.push(...holders.map(({ _id }) => _id));
      recorded += await recordActBatch(ctx, model, holders);
    }
  }
  return recorded;
}

/** Together, and one by one where that fails, so that a damaged document does not hold up the others. */
async function recordActBatch(ctx: Context, model: ActHolderModel, holders: ActHolder[]): Promise<number> {
  try {
    return await recordOpenActs(ctx, model, holders);
  } catch {
    let recorded = 0;
    await eachOf(ctx, holders, async (holder) => {
      recorded += await recordOpenActs(ctx, model, [holder]);
    });
    return recorded;
  }
}

/** Each obligation once in a sweep, so that those which cannot be paid hold up neither the sweep nor the others. */
async function payObligations(ctx: Context): Promise<number> {
  const seen: Types.ObjectId[] = [];
  let paid = 0;
  for (;;) {
    const readAt = ctx.clock.now();
    const owing = await owingGenerations(ctx, OBLIGATION_BATCH, seen);
    if (owing.length === 0) return paid;
    seen.push(...owing.map(({ _id }) => _id));
    const unpaid = await eachOf(ctx, owing, (generation) => payWhatIsOwed(ctx, generation, readAt));
    paid += owing.length - unpaid.length;
    await settleBatch(ctx, [...new Map(owing.map(({ userId }) => [userId.toHexString(), userId])).values()]);
  }
}

/**
 * Goes on for as long as accounts are moved, whether entries were settled or keys forgotten: whoever waits for the sweep after a
 * crash is not to queue behind keys. Accounts that cannot be settled are left out after the first try.
 */
async function settleAll(ctx: Context, dueBy: Date): Promise<number> {
  const unsettled: Types.ObjectId[] = [];
  let entries = 0;
  for (;;) {
    const batch = await settleBatch(ctx, await accountsToSettle(ctx, dueBy, unsettled));
    if (batch.accountsMoved === 0 && batch.unsettled.length === 0) return entries;
    entries += batch.entriesSettled;
    unsettled.push(...batch.unsettled);
  }
}

/** Settles the accounts together, and one by one where that fails, so that a damaged one does not hold up the others. */
async function settleBatch(
  ctx: Context,
  accounts: Types.ObjectId[],
): Promise<Settled & { unsettled: Types.ObjectId[] }> {
  const total: Settled = { entriesSettled: 0, generationsAdmitted: 0, accountsMoved: 0 };
  const settleThese = async (some: Types.ObjectId[]) => {
    const settled = await settle(ctx, some);
    total.entriesSettled += settled.entriesSettled;
    total.generationsAdmitted += settled.generationsAdmitted;
    total.accountsMoved += settled.accountsMoved;
  };
  let unsettled: Types.ObjectId[] = [];
  try {
    if (accounts.length > 0) await settleThese(accounts);
  } catch {
    unsettled = await eachOf(ctx, accounts, (account) => settleThese([account]));
  }
  if (total.generationsAdmitted > 0) ctx.queue.wake();
  return { ...total, unsettled };
}

/** Does it for each item, whatever happens to the others; returns those for which it failed. */
async function eachOf<Item>(ctx: Context, items: readonly Item[], act: (item: Item) => Promise<void>): Promise<Item[]> {
  const failed: Item[] = [];
  for (const item of items) {
    try {
      await act(item);
    } catch (error) {
      failed.push(item);
      ctx.log.error('the sweep left something undone', errorFields(error));
    }
  }
  return failed;
}
