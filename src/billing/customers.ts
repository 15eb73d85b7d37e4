import type { Types } from 'mongoose';
import { ArtifexError } from '../domain/errors.ts';
import type { Store } from '../models/store.ts';
import { billingAccountOf, forgetCustomer, keepCustomer } from '../repositories/billingAccounts.ts';
import { findSubscription } from '../repositories/subscriptions.ts';
import { underKey } from './idempotency.ts';
import { calling, isMissing } from './stripe.ts';
import type { BillingDeps } from './sync.ts';

/** A user as far as Stripe is told of them. */
export interface Payer {
  _id: Types.ObjectId;
  email: string;
  name: string;
}

/** Whom Stripe knows the user as, or undefined for who never was a customer. */
export async function customerOf(store: Store, userId: Types.ObjectId): Promise<string | undefined> {
  const account = await billingAccountOf(store, userId);
  return account?.stripeCustomerId ?? (await findSubscription(store, userId))?.stripeCustomerId;
}

/** How many customers of one user give way in one call: a new one may be gone too, where its making was only repeated. */
const MAX_GONE = 3;

/**
 * Does something as the user's customer at Stripe, who is made at the first need and stored. A customer who was deleted there gives way to a
 * new one.
 *
 * @throws {ArtifexError} `unavailable`
 */
export async function asCustomer<Result>(
  deps: BillingDeps,
  user: Payer,
  action: (customer: string) => Promise<Result>,
): Promise<Result> {
  let customer = (await customerOf(deps.store, user._id)) ?? (await makeCustomer(deps, user));
  for (let gone = 0; ; gone += 1) {
    try {
      return await action(customer);
    } catch (error) {
      if (!isMissing(error, 'customer') || gone === MAX_GONE) throw error;
      await forgetCustomer(deps.store, user._id, customer);
      customer = await makeCustomer(deps, user, customer);
    }
  }
}

/**
 * The idempotency key and what it stands for never change, so that a crash and a repetition make one customer: the address and the name,
 * which may change, are told afterwards.
 *
 * @param gone the customer whom the new one replaces
 */
async function makeCustomer({ stripe, store }: BillingDeps, user: Payer, gone?: string): Promise<string> {
  const userId = user._id.toHexString();
  const key = ['customer', userId, ...(gone === undefined ? [] : [gone])].join(':');
  const made = await calling(() =>
    underKey(key, (options) => stripe.customers.create({ metadata: { userId } }, options)),
  );
  const stored = await keepCustomer(store, user._id, made.id);
  if (stored === null) throw new ArtifexError('conflict', 'The customer at Stripe belongs to another account.');
  const told = { ...(user.email !== '' && { email: user.email }), ...(user.name !== '' && { name: user.name }) };
  if (stored === made.id && Object.keys(told).length > 0) await calling(() => stripe.customers.update(made.id, told));
  return stored;
}
