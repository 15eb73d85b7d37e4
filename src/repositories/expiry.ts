import type { Types } from 'mongoose';
import type { Actor } from '../domain/audit.ts';
import { LIVE_STATUSES } from '../domain/subscription.ts';
import { subscriptionsOf } from '../models/collections.ts';
import type { Subscription } from '../models/Subscription.ts';
import { followSubscription } from '../models/statements/following.ts';
import type { Store } from '../models/store.ts';

/**
 * Live subscriptions whose period ended before that instant and that no object of Stripe stands behind: nobody else will ever
 * end them. The others are Stripe's to end.
 */
export function expiredSubscriptions(
  store: Store,
  endedBefore: Date,
): AsyncIterable<Pick<Subscription, '_id' | 'userId'>> {
  return subscriptionsOf(store).find(expiredFilter(endedBefore), { projection: { _id: 1, userId: 1 } });
}

/**
 * Ends such a subscription, and lets the user's account follow; who dies between the two leaves that to the sweep.
 *
 * @returns whether it was ended by this call
 */
export async function endExpiredSubscription(
  store: Store,
  { _id, userId }: { _id: Types.ObjectId; userId: Types.ObjectId },
  endedBefore: Date,
  actor: Actor,
): Promise<boolean> {
  const now = store.clock.now();
  const { modifiedCount } = await subscriptionsOf(store).updateOne(
    { _id, ...expiredFilter(endedBefore) },
    { $set: { status: 'canceled', unapplied: now, updatedAt: now }, $inc: { revision: 1 } },
  );
  if (modifiedCount === 1) await followSubscription(store, userId, actor);
  return modifiedCount === 1;
}

function expiredFilter(endedBefore: Date) {
  return {
    status: { $in: [...LIVE_STATUSES] },
    currentPeriodEnd: { $lt: endedBefore },
    stripeSubscriptionId: { $exists: false },
    isDeleted: false,
  };
}
