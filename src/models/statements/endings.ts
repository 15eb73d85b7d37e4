import type { Types } from 'mongoose';
import { checkoutsOverBy } from '../../domain/checkout.ts';
import { LIVE_STATUSES } from '../../domain/subscription.ts';
import { billingAccountsOf, subscriptionsOf } from '../collections.ts';
import type { Store } from '../store.ts';

/**
 * Owes an end to what deleted accounts pay for at Stripe, so that nobody is billed for an account that they have deleted: it stands in the
 * subscription until Stripe has been told. One that ends with its period anyway owes it too, since its customer may have another one at Stripe.
 *
 * @param isNews a deletion, whose end is owed anew: whoever saw the account restored and takes an older one away leaves this one
 */
export async function oweEndings(
  store: Store,
  userIds: readonly Types.ObjectId[],
  { isNews }: { isNews: boolean },
): Promise<void> {
  const now = store.clock.now();
  await subscriptionsOf(store).updateMany(
    {
      userId: { $in: [...userIds] },
      status: { $in: [...LIVE_STATUSES] },
      stripeCustomerId: { $exists: true },
      ...(!isNews && { ending: { $exists: false } }),
    },
    { $set: { ending: { id: crypto.randomUUID(), dueAt: now } } },
  );
}

/** Owes an end to the Checkouts that deleted accounts may still pay on, so that nothing is sold to nobody. */
export async function oweExpiries(store: Store, userIds: readonly Types.ObjectId[]): Promise<void> {
  const now = store.clock.now();
  await billingAccountsOf(store).updateMany(
    { _id: { $in: [...userIds] }, 'checkout.startedAt': { $gt: checkoutsOverBy(now) } },
    { $set: { ending: { id: crypto.randomUUID(), dueAt: now } } },
  );
}
