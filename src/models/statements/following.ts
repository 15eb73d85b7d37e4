import { Types } from 'mongoose';
import type { Actor } from '../../domain/audit.ts';
import { hasEnded, isActive } from '../../domain/subscription.ts';
import { subscriptionsOf, usersOf } from '../collections.ts';
import type { Subscription } from '../Subscription.ts';
import type { Store } from '../store.ts';
import { post } from './accounts.ts';
import { oweEndings } from './endings.ts';
import type { Terms, TermsVersion } from './posting/posting.ts';

/**
 * Brings a user's account to what their subscriptions say: the one that has not ended, else the latest. It may be repeated, cut
 * off and run by many at once: the account refuses what is older than what it has followed. Who is refused looks again, since
 * others may have seen only a part of what was written at the same time.
 *
 * @throws {UserNotFoundError}
 */
export async function followSubscription(store: Store, userId: Types.ObjectId, actor: Actor): Promise<void> {
  const act = { action: 'tier.changed', actor } as const;
  let floor = 0;
  for (;;) {
    const all = await subscriptionsOf(store)
      .find<Governing>({ userId }, { projection: FIELDS })
      .sort({ createdAt: -1, _id: -1 })
      .toArray();
    const subscription = all.find((one) => !one.isDeleted && !hasEnded(one)) ?? all[0];
    if (!subscription) return;
    const version = versionOf(all, floor);
    const terms = { ...termsOf(subscription, store.clock.now()), version };
    const outcome = await post(store, { _id: userId }, { id: new Types.ObjectId(), kind: 'terms', act, ...terms });
    // Sold to somebody who has gone meanwhile.
    if (outcome.account.isDeleted) await oweEndings(store, [userId], { isNews: false });
    const followed = outcome.result === 'posted' ? version : await followedBy(store, userId);
    if (followed?.seen === version.seen) return markApplied(store, all);
    floor = (followed?.sum ?? 0) + 1;
  }
}

/** @param floor above what the account has refused; it counts where subscriptions were removed, and their revisions with them */
function versionOf(all: readonly Governing[], floor: number): TermsVersion {
  const sum = all.reduce((total, { revision }) => total + revision, 0);
  const seen = all
    .map(({ _id, revision }) => `${_id.toHexString()}:${revision}`)
    .sort()
    .join();
  return { sum: Math.max(sum, floor), seen };
}

async function followedBy(store: Store, _id: Types.ObjectId): Promise<TermsVersion | undefined> {
  return (await usersOf(store).findOne({ _id }, { projection: { followed: 1 } }))?.followed;
}

async function markApplied(store: Store, all: readonly Governing[]): Promise<void> {
  const applied = all
    .filter(({ unapplied }) => unapplied !== undefined)
    .map(({ _id, revision }) => ({ _id, revision }));
  if (applied.length > 0) await subscriptionsOf(store).updateMany({ $or: applied }, { $unset: { unapplied: 1 } });
}

/** Users whose account does not know yet what a subscription of theirs says, the longest waiting first, but for those `except`. */
export async function usersToFollow(
  store: Store,
  limit: number,
  except: readonly Types.ObjectId[] = [],
): Promise<Types.ObjectId[]> {
  const found = await subscriptionsOf(store)
    .find({ unapplied: { $exists: true }, userId: { $nin: [...except] } }, { projection: { userId: 1 } })
    .sort({ unapplied: 1 })
    .limit(limit)
    .toArray();
  return [...new Map(found.map(({ userId }) => [userId.toHexString(), userId])).values()];
}

const FIELDS = {
  isDeleted: 1,
  createdAt: 1,
  revision: 1,
  unapplied: 1,
  tier: 1,
  status: 1,
  currentPeriodStart: 1,
  currentPeriodEnd: 1,
} as const satisfies Partial<Record<keyof Subscription, 1>>;

type Governing = Pick<Subscription, '_id' | keyof typeof FIELDS>;

function termsOf(subscription: Governing, now: Date): Terms {
  const { tier, currentPeriodStart: start, currentPeriodEnd: end } = subscription;
  const grants = !subscription.isDeleted && isActive(subscription, now);
  return { tier: grants ? tier : 'free', paidPeriod: grants ? { start, end } : null };
}
