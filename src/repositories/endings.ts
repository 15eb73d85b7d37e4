import type { Types } from 'mongoose';
import type { BillingAccount } from '../models/BillingAccount.ts';
import { billingAccountsOf, subscriptionsOf, usersOf } from '../models/collections.ts';
import type { Subscription } from '../models/Subscription.ts';
import type { Store } from '../models/store.ts';

/** A subscription that is to end since its user's account was deleted. */
export type OwedEnding = Pick<Subscription, '_id' | 'userId' | 'stripeCustomerId'> &
  Required<Pick<Subscription, 'ending'>>;

const FIELDS = { userId: 1, stripeCustomerId: 1, ending: 1 } as const satisfies Partial<Record<keyof Subscription, 1>>;

/** The one that has been due for longest, or null. */
export async function dueEnding(store: Store): Promise<OwedEnding | null> {
  const now = store.clock.now();
  return await subscriptionsOf(store).findOne<OwedEnding>(
    { 'ending.dueAt': { $lte: now } },
    { projection: FIELDS, sort: { 'ending.dueAt': 1 } },
  );
}

/** Whether the user's subscription, or the Checkout that would make one, is still to be ended at Stripe. */
export async function owesEnding(store: Store, userId: Types.ObjectId): Promise<boolean> {
  const owing = { 'ending.id': { $exists: true } };
  const only = { projection: { _id: 1 } };
  const subscription = await subscriptionsOf(store).findOne({ userId, ...owing }, only);
  return subscription !== null || (await billingAccountsOf(store).findOne({ _id: userId, ...owing }, only)) !== null;
}

/** Takes an ending away that was brought about, or is not wanted any more; one that is owed anew stays. */
export async function clearEnding(store: Store, { _id, ending: { id } }: OwedEnding): Promise<void> {
  await subscriptionsOf(store).updateOne({ _id, 'ending.id': id }, { $unset: { ending: 1 } });
}

export async function postponeEnding(
  store: Store,
  { _id, ending: { id } }: OwedEnding,
  delayMs: number,
): Promise<void> {
  const dueAt = new Date(store.clock.now().getTime() + delayMs);
  await subscriptionsOf(store).updateOne({ _id, 'ending.id': id }, { $set: { 'ending.dueAt': dueAt } });
}

export async function isDeletedUser(store: Store, _id: Types.ObjectId): Promise<boolean> {
  const user = await usersOf(store).findOne({ _id }, { projection: { isDeleted: 1 } });
  return user?.isDeleted === true;
}

/** A billing account whose Checkout is to expire since its user's account was deleted. */
export type OwedExpiry = BillingAccount & Required<Pick<BillingAccount, 'ending'>>;

/** The one that has been due for longest, or null. */
export async function dueExpiry(store: Store): Promise<OwedExpiry | null> {
  const now = store.clock.now();
  return await billingAccountsOf(store).findOne<OwedExpiry>(
    { 'ending.dueAt': { $lte: now } },
    { sort: { 'ending.dueAt': 1 } },
  );
}

/** As an ending is. */
export async function clearExpiry(store: Store, { _id, ending: { id } }: OwedExpiry): Promise<void> {
  await billingAccountsOf(store).updateOne({ _id, 'ending.id': id }, { $unset: { ending: 1 } });
}

export async function postponeExpiry(
  store: Store,
  { _id, ending: { id } }: OwedExpiry,
  delayMs: number,
): Promise<void> {
  const dueAt = new Date(store.clock.now().getTime() + delayMs);
  await billingAccountsOf(store).updateOne({ _id, 'ending.id': id }, { $set: { 'ending.dueAt': dueAt } });
}
