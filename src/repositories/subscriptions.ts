import type { Types } from 'mongoose';
import type { SubscriptionDocument } from '../models/methods/subscription.ts';
import type { Store } from '../models/store.ts';

/** The user's subscription that has not ended, else the latest, or null. */
export function findSubscription(
  { models: { Subscription } }: Store,
  userId: Types.ObjectId,
): Promise<SubscriptionDocument | null> {
  return Subscription.findByUserId(userId);
}
