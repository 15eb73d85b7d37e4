import { Types } from 'mongoose';
import { ArtifexError, UserNotFoundError } from '../domain/errors.ts';
import type { QuotaAccount } from '../domain/quota.ts';
import type { OpenEntry, User } from '../models/User.ts';
import { type KeyGuard, type Posting, postingStatement, slotOf } from './postingStatement.ts';
import type { Store } from './store.ts';

/** A user by id, or by Clerk's id, so that a request needs no look-up before its charge. */
export type UserReference = { _id: Types.ObjectId } | { clerkUserId: string };

export type Account = QuotaAccount & Pick<User, '_id' | 'isDeleted' | 'forgottenThrough'>;

/**
 * - `posted`: the account moved, by this call.
 * - `repeated`: it had moved for the same key, charge or generation before; `entry` is that earlier one.
 * - `insufficient`: the credits do not fit into the period. Nothing changed.
 * - `stale`: keys may have been forgotten since the look-up that the guard names. Nothing changed; look up again.
 */
export type Outcome =
  | { result: 'posted' | 'repeated'; account: Account; entry: OpenEntry }
  | { result: 'insufficient' | 'stale'; account: Account };

/** The fields that quota and outcome are read from; the other open entries stay in the database. */
const ACCOUNT_FIELDS = {
  subscriptionTier: 1,
  monthlyUsage: 1,
  grantedCredits: 1,
  quotaResetDate: 1,
  quotaAnchor: 1,
  isDeleted: 1,
  forgottenThrough: 1,
} as const;

/**
 * Posts to an account: one round trip, one atomic write, whatever the outcome. The same posting, sent again after an answer
 * was lost, is `posted` again and moves nothing.
 *
 * @throws {UserNotFoundError} when there is no such user
 * @throws {ArtifexError} `account_deleted` when a deleted user would be charged
 */
export async function post(store: Store, user: UserReference, posting: Posting, guard?: KeyGuard): Promise<Outcome> {
  const slot = slotOf(posting);
  // The driver's own collection: the statement must see deleted users, and casting would cost more than it proves.
  const account = await store.models.User.collection.findOneAndUpdate(
    user,
    postingStatement(posting, new Types.ObjectId(), store.clock.now(), guard),
    { returnDocument: 'after', projection: { ...ACCOUNT_FIELDS, [`openEntries.${slot}`]: 1 } },
  );
  if (!account) throw new UserNotFoundError();
  return readOutcome(account as unknown as Account & Pick<User, 'openEntries'>, slot, posting, guard);
}

function readOutcome(
  account: Account & Pick<User, 'openEntries'>,
  slot: string,
  posting: Posting,
  guard: KeyGuard | undefined,
): Outcome {
  const entry = account.openEntries[slot];
  if (entry) return { result: entry.id.equals(posting.id) ? 'posted' : 'repeated', account, entry };
  if (posting.kind === 'charge' && account.isDeleted) throw accountDeleted();
  return { result: guard && !passes(guard, account.forgottenThrough) ? 'stale' : 'insufficient', account };
}

function passes(guard: KeyGuard, forgottenThrough: Date): boolean {
  return 'lookedUpAt' in guard
    ? forgottenThrough < guard.lookedUpAt
    : forgottenThrough.getTime() === guard.forgottenThrough.getTime();
}

export function accountDeleted(): ArtifexError {
  return new ArtifexError('account_deleted', 'This account was deleted. Sign up again to restore it.');
}
