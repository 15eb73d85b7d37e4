import { Types } from 'mongoose';
import { ArtifexError, UserNotFoundError } from '../../domain/errors.ts';
import { CLOCK_TOLERANCE_MS } from '../../domain/ledger.ts';
import { quotaOfPeriod } from '../../domain/quota.ts';
import { usersOf } from '../collections.ts';
import type { Store } from '../store.ts';
import type { OpenEntry, User } from '../User.ts';
import { type PlacedEntry, placed } from './placement.ts';
import { ordinaryCharge } from './posting/ordinaryCharge.ts';
import { type KeyGuard, type Posting, slotOf } from './posting/posting.ts';
import { postingStatement } from './posting/statement.ts';

/** A user by id, or by Clerk's id, so that a request needs no look-up before its charge. */
export type UserReference = { _id: Types.ObjectId } | { clerkUserId: string };

export type Account = Pick<User, '_id' | keyof typeof ACCOUNT_FIELDS>;

/**
 * - `posted`: the account moved, by this call.
 * - `repeated`: it had moved for the same key, charge or generation before; `entry` is that earlier one.
 * - `refused`: the credits do not fit into the period, or the account is already as the posting would make it. Nothing changed.
 * - `stale`: keys may have been forgotten since the look-up that the guard names. Nothing changed; look up again.
 */
export type Outcome =
  | { result: 'posted' | 'repeated'; account: Account; entry: PlacedEntry }
  | { result: 'refused'; account: Account }
  | { result: 'stale'; account: Account };

/** What a posting answers of the account; the other open entries stay in the database. */
export const ACCOUNT_FIELDS = {
  subscriptionTier: 1,
  monthlyUsage: 1,
  totalImagesGenerated: 1,
  grantedCredits: 1,
  quotaResetDate: 1,
  quotaAnchor: 1,
  paidAnchor: 1,
  periodStart: 1,
  periodNumber: 1,
  entrySequence: 1,
  quotaAlert: 1,
  isDeleted: 1,
  deletedAt: 1,
  forgottenThrough: 1,
} as const;

/** What a charge answers of the account: its quota follows, and whether the user is to be told of it. In few words, since they go with every charge. */
export const CHARGED_FIELDS = {
  subscriptionTier: 1,
  monthlyUsage: 1,
  grantedCredits: 1,
  quotaResetDate: 1,
  periodNumber: 1,
  quotaAlert: 1,
} as const satisfies Partial<typeof ACCOUNT_FIELDS>;

export type ChargedAccount = Pick<User, '_id' | keyof typeof CHARGED_FIELDS>;

/**
 * Posts to an account: one atomic write, and one round trip but for a charge that is out of the ordinary (refused, repeated, or
 * the first of a period), which takes two. The same posting, sent again after an answer was lost, is `posted` again and moves
 * nothing.
 *
 * @throws {UserNotFoundError} when there is no such user
 * @throws {ArtifexError} `account_deleted` when a deleted user would be charged
 */
export async function post(store: Store, user: UserReference, posting: Posting, guard?: KeyGuard): Promise<Outcome> {
  if (posting.kind === 'charge') {
    const now = store.clock.now();
    const { filter, update } = ordinaryCharge(posting, now, guard);
    const account = await usersOf(store).findOneAndUpdate({ ...user, ...filter }, update, ANSWER);
    if (account) return { result: 'posted', account, entry: { ...posting, ...ordinaryEntry(account), at: now } };
  }
  return postInFull(store, user, posting, guard);
}

/** What {@link post} does with what is out of the ordinary. */
export async function postInFull(
  store: Store,
  user: UserReference,
  posting: Posting,
  guard?: KeyGuard,
): Promise<Outcome> {
  const now = store.clock.now();
  const slot = slotOf(posting);
  const statement = postingStatement(posting, new Types.ObjectId(), now, guard);
  const account = await usersOf(store).findOneAndUpdate(user, statement, {
    returnDocument: 'after',
    projection: { ...ACCOUNT_FIELDS, [`openEntries.${slot}`]: 1 },
  });
  if (!account) throw new UserNotFoundError();
  return readOutcome(account, slot, posting, guard);
}

/** None of the entry, which whoever charges knows. */
const ANSWER = { returnDocument: 'after', projection: ACCOUNT_FIELDS } as const;

/** What the account has made of an ordinary charge; the rest of the entry is the posting itself and need not come back. */
function ordinaryEntry(account: Account): Pick<OpenEntry, 'sequence' | 'balance' | 'period'> {
  const { remaining } = quotaOfPeriod(account);
  return { sequence: account.entrySequence, balance: remaining, period: account.periodNumber };
}

function readOutcome(
  account: Account & Pick<User, 'openEntries'>,
  slot: string,
  posting: Posting,
  guard: KeyGuard | undefined,
): Outcome {
  if (posting.kind === 'charge' && account.isDeleted) throw accountDeleted();
  const open = account.openEntries[slot];
  if (open) return { result: open.id.equals(posting.id) ? 'posted' : 'repeated', account, entry: placed(open) };
  if (guard && !passes(guard, account.forgottenThrough)) return { result: 'stale', account };
  return { result: 'refused', account };
}

/**
 * Posts what must happen once for ever. Its key is looked up among what has been settled, then among the open entries by the
 * posting itself. A key that may have been settled and forgotten between the two is looked up again: that is judged by the
 * clock first, and then by comparing what had been forgotten, which needs no clock. Clocks that differ by less than
 * {@link CLOCK_TOLERANCE_MS} cost nothing; a process may be suspended between the two for as long as it likes.
 *
 * @param lookUp what this posting did earlier, or null
 * @param lookedUpAt the instant of a look-up that the caller has already made, in vain
 */
export async function postOnce<Known>(
  store: Store,
  user: UserReference,
  posting: Posting,
  lookUp: () => Promise<Known | null>,
  lookedUpAt?: Date,
): Promise<Exclude<Outcome, { result: 'stale' }> | { result: 'known'; known: Known }> {
  const asOf = lookedUpAt ?? store.clock.now();
  let guard: KeyGuard = { forgottenBefore: new Date(asOf.getTime() - CLOCK_TOLERANCE_MS) };
  let mustLook = lookedUpAt === undefined;
  for (;;) {
    const known = mustLook ? await lookUp() : null;
    if (known !== null) return { result: 'known', known };
    const outcome = await post(store, user, posting, guard);
    if (outcome.result !== 'stale') return outcome;
    guard = { forgottenThrough: outcome.account.forgottenThrough };
    mustLook = true;
  }
}

function passes(guard: KeyGuard, forgottenThrough: Date): boolean {
  return 'forgottenBefore' in guard
    ? forgottenThrough < guard.forgottenBefore
    : forgottenThrough.getTime() === guard.forgottenThrough.getTime();
}

export function accountDeleted(): ArtifexError {
  return new ArtifexError('account_deleted', 'This account was deleted. Sign up again to restore it.');
}
