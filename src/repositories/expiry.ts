import type { Types } from 'mongoose';
import { LIVE_STATUSES } from '../domain/subscription.ts';
import { subscriptionsOf, usersOf } from '../models/collections.ts';
import type { Subscription } from '../models/Subscription.ts';
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
 * Ends such a subscription. The user's tier falls first: who dies between the two leaves a subscription that is found again.
 * Until it has ended there can be no other one whose tier this could take away.
 *
 * @returns whether it was ended by this call
 */
export async function endExpiredSubscription(
  store: Store,
  { _id, userId }: { _id: Types.ObjectId; userId: Types.ObjectId },
  endedBefore: Date,
): Promise<boolean> {
  const updatedAt = store.clock.now();
  if (!(await subscriptionsOf(store).findOne({ _id, ...expiredFilter(endedBefore) }))) return false;
  await usersOf(store).updateOne(
    { _id: userId, subscriptionTier: { $ne: 'free' } },
    { $set: { subscriptionTier: 'free', updatedAt } },
  );
  const { modifiedCount } = await subscriptionsOf(store).updateOne(
    { _id, ...expiredFilter(endedBefore) },
    { $set: { status: 'canceled', updatedAt } },
  );
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
