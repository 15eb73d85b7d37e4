import { Types } from 'mongoose';
import type { BillingAccount, OpenCheckout } from '../models/BillingAccount.ts';
import { billingAccountsOf, usersOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import type { Store } from '../models/store.ts';

export async function billingAccountOf(store: Store, userId: Types.ObjectId): Promise<BillingAccount | null> {
  return await billingAccountsOf(store).findOne({ _id: userId });
}

export async function userOfCustomer(store: Store, stripeCustomerId: string): Promise<Types.ObjectId | null> {
  const account = await billingAccountsOf(store).findOne({ stripeCustomerId }, { projection: { _id: 1 } });
  return account?._id ?? null;
}

/** The user whom one of these words names: our id, or Clerk's. Deleted ones are users too: what they have goes on to be billed. */
export async function userNamedBy(store: Store, names: readonly string[]): Promise<Types.ObjectId | null> {
  if (names.length === 0) return null;
  const ids = names.filter((name) => /^[0-9a-f]{24}$/i.test(name)).map((id) => new Types.ObjectId(id));
  const filter = { $or: [{ _id: { $in: ids } }, { clerkUserId: { $in: [...names] } }] };
  const user = await usersOf(store).findOne(filter, { projection: { _id: 1 } });
  return user?._id ?? null;
}

/**
 * Stores the customer whom Stripe knows the user as, once: who has one keeps it, and a customer belongs to one user.
 *
 * @returns the customer that is stored for the user then, or null when the customer is somebody else's
 */
export async function keepCustomer(
  store: Store,
  userId: Types.ObjectId,
  stripeCustomerId: string,
): Promise<string | null> {
  try {
    await billingAccountsOf(store).updateOne(
      { _id: userId, stripeCustomerId: { $exists: false } },
      { $set: { stripeCustomerId } },
      { upsert: true },
    );
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
  }
  return (await billingAccountOf(store, userId))?.stripeCustomerId ?? null;
}

/** Forgets a customer whom Stripe has deleted, and a Checkout that was theirs. */
export async function forgetCustomer(store: Store, _id: Types.ObjectId, stripeCustomerId: string): Promise<void> {
  await billingAccountsOf(store).updateOne({ _id, stripeCustomerId }, { $unset: { stripeCustomerId: 1, checkout: 1 } });
}

/**
 * Puts a Checkout of the customer's in the place of the one that was read.
 *
 * @returns false when another one stands there meanwhile, or the user's customer is another one
 */
export async function replaceCheckout(
  store: Store,
  { userId: _id, customer: stripeCustomerId }: { userId: Types.ObjectId; customer: string },
  read: OpenCheckout | undefined,
  checkout: OpenCheckout,
): Promise<boolean> {
  const place = read ? { 'checkout.id': read.id } : { checkout: { $exists: false } };
  const { modifiedCount } = await billingAccountsOf(store).updateOne(
    { _id, stripeCustomerId, ...place },
    { $set: { checkout } },
  );
  return modifiedCount === 1;
}
