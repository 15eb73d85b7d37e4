import { Types } from 'mongoose';
import type { Actor } from '../../domain/audit.ts';
import { hasEnded, isActive } from '../../domain/subscription.ts';
import { subscriptionsOf } from '../collections.ts';
import type { Subscription } from '../Subscription.ts';
import type { Store } from '../store.ts';
import { post } from './accounts.ts';
import type { Terms } from './posting/posting.ts';

/**
 * Brings a user's account to what their subscription says: the one that has not ended, else the latest. It may be repeated, cut
 * off and run by many at once: the account refuses what is older than what it has followed.
 *
 * @throws {UserNotFoundError}
 */
export async function followSubscription(store: Store, userId: Types.ObjectId, actor: Actor): Promise<void> {
  const all = await subscriptionsOf(store)
    .find<Governing>({ userId }, { projection: FIELDS })
    .sort({ createdAt: -1 })
    .toArray();
  const subscription = all.find((one) => !one.isDeleted && !hasEnded(one)) ?? all[0];
  if (!subscription) return;
  const act = { action: 'tier.changed', actor } as const;
  const terms = termsOf(subscription, store.clock.now());
  await post(store, { _id: userId }, { id: new Types.ObjectId(), kind: 'terms', act, ...terms });
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
  const { createdAt: created, revision, tier, currentPeriodStart: start, currentPeriodEnd: end } = subscription;
  const grants = !subscription.isDeleted && isActive(subscription, now);
  return { tier: grants ? tier : 'free', paidPeriod: grants ? { start, end } : null, version: { created, revision } };
}
