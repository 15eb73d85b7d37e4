import type { Types } from 'mongoose';
import { errorFields } from '../config/log.ts';
import type { Actor } from '../domain/audit.ts';
import type { Idempotency } from '../domain/idempotency.ts';
import type { SubscriptionDocument } from '../models/methods/subscription.ts';
import type { User } from '../models/User.ts';
import { grantCredits, resetQuota } from '../repositories/accounts.ts';
import { recordActOn } from '../repositories/audit.ts';
import { LedgerConflictError, settle } from '../repositories/settlement.ts';
import { findSubscription } from '../repositories/subscriptions.ts';
import { getAnyUser, listUsers } from '../repositories/users.ts';
import type { Context } from './context.ts';

/** What administrators do to other people's accounts; deleted ones are theirs to see. Each act is in the audit trail when it is answered. */

/** @throws {UserNotFoundError} */
export async function readUser(
  ctx: Context,
  id: Types.ObjectId,
  actor: Actor,
): Promise<{ user: User; subscription: SubscriptionDocument | null }> {
  const [user, subscription] = await Promise.all([getAnyUser(ctx, id), findSubscription(ctx, id)]);
  await recordReads(ctx, [user], actor);
  return { user, subscription };
}

/** A page of users, newest first, and one more where another page follows: that one is not to be shown. */
export async function readUsers(ctx: Context, page: Parameters<typeof listUsers>[1], actor: Actor): Promise<User[]> {
  const found = await listUsers(ctx, { ...page, limit: page.limit + 1 });
  await recordReads(ctx, found.slice(0, page.limit), actor);
  return found;
}

/**
 * Begins a new month of credits at once.
 *
 * @throws {UserNotFoundError}
 */
export async function resetQuotaOf(ctx: Context, id: Types.ObjectId, actor: Actor): Promise<User> {
  await resetQuota(ctx, { _id: id }, actor);
  return settled(ctx, id);
}

/**
 * Adds credits to the period that runs, once under one key.
 *
 * @throws {UserNotFoundError}
 * @throws {ArtifexError} `idempotency_key_reused`
 */
export async function grantCreditsTo(
  ctx: Context,
  id: Types.ObjectId,
  grant: { credits: number; reason: string },
  actor: Actor,
  idempotency: Idempotency | undefined,
): Promise<{ user: User; repeated: boolean }> {
  const { repeated } = await grantCredits(ctx, { _id: id }, grant, actor, idempotency);
  return { user: await settled(ctx, id), repeated };
}

/** Reads of oneself are no reads of others. */
async function recordReads(ctx: Context, users: readonly User[], actor: Actor): Promise<void> {
  const others = users.filter(({ clerkUserId }) => clerkUserId !== actor.id);
  await recordActOn(
    ctx,
    { action: 'user.read', actor },
    others.map(({ _id }) => ({ model: 'User', id: _id })),
  );
}

/** The user after an act that stands in the account already: ledger and audit trail get it now, or at the latest from the sweep. */
async function settled(ctx: Context, id: Types.ObjectId): Promise<User> {
  try {
    await settle(ctx, [id]);
  } catch (error) {
    if (!(error instanceof LedgerConflictError)) throw error;
    ctx.log.error('a damaged account cannot be settled', { userId: id.toHexString(), ...errorFields(error) });
  }
  return getAnyUser(ctx, id);
}
