import type { Types } from 'mongoose';
import { CHECKOUT_LIFE_MS, checkoutsOverBy } from '../domain/checkout.ts';
import { ArtifexError } from '../domain/errors.ts';
import type { OpenCheckout } from '../models/BillingAccount.ts';
import { accountDeleted } from '../models/statements/accounts.ts';
import type { Store } from '../models/store.ts';
import { billingAccountOf, keepCustomer, replaceCheckout } from '../repositories/billingAccounts.ts';
import { isDeletedUser } from '../repositories/endings.ts';
import { liveSubscriptionOf } from '../repositories/syncedSubscriptions.ts';
import { type Buyer, expireSession, makeSession, sessionOf } from './checkoutSession.ts';
import { asCustomer, type Payer } from './customers.ts';
import { type PaidTier, priceOf } from './stripe.ts';
import { type BillingDeps, syncCustomer } from './sync.ts';

/** What is left of a life when its page is given to somebody once more. Stripe itself makes none that lives for less. */
const SHORTEST_LIFE_MS = 30 * 60 * 1000;

/**
 * The address of a Checkout that sells the tier. A user has one open at a time, by construction: it stands in their billing account before
 * Stripe is asked for it, what asks carries its id as idempotency key, and another one takes its place only when it can sell nothing any more.
 *
 * @throws {ArtifexError} `conflict` beside a subscription that has not ended, `account_deleted`, `unavailable`
 */
export async function openCheckout(deps: BillingDeps, user: Payer, tier: PaidTier): Promise<string> {
  // Before anything is begun that could not be sold.
  priceOf(deps.config, tier);
  return asCustomer(deps, user, async (customer) => {
    const buyer = { customer, userId: user._id };
    for (;;) {
      const checkout = await begunBy(deps, buyer);
      const open = checkout && (await openPage(deps, checkout, tier, buyer));
      // Only now: whatever the one before can have sold, it has sold by now.
      await refuseSecond(deps, buyer);
      if (open !== undefined) return open;
      const next: OpenCheckout = { id: crypto.randomUUID(), tier, startedAt: deps.store.clock.now() };
      if (!(await replaceCheckout(deps.store, buyer, checkout, next))) continue;
      await refuseDeleted(deps.store, user._id);
      const session = await makeSession(deps, next, buyer);
      if (session?.url) return session.url;
      throw new ArtifexError('unavailable', 'Stripe made no page to pay on. Try again.');
    }
  });
}

/**
 * The checkout that stands in the user's billing account, which is made where there is none.
 *
 * @throws {ArtifexError} `unavailable` when somebody has put another customer in the place of one who was deleted at Stripe
 */
async function begunBy({ store }: BillingDeps, { userId, customer }: Buyer): Promise<OpenCheckout | undefined> {
  const account = await billingAccountOf(store, userId);
  if (account?.stripeCustomerId === customer) return account.checkout;
  if ((await keepCustomer(store, userId, customer)) === customer) return undefined;
  throw new ArtifexError('unavailable', 'The customer at Stripe has just become another one. Try again.');
}

/** @returns the address of the checkout that was begun, where it is what is asked for; undefined when it can sell nothing any more */
async function openPage(
  deps: BillingDeps,
  checkout: OpenCheckout,
  tier: PaidTier,
  buyer: Buyer,
): Promise<string | undefined> {
  if (checkout.startedAt <= checkoutsOverBy(deps.store.clock.now())) return undefined;
  await refuseDeleted(deps.store, buyer.userId);
  const { session, isOutdated } = (await sessionOf(deps, checkout, buyer)) ?? {};
  if (session?.status !== 'open') return undefined;
  const age = deps.store.clock.now().getTime() - checkout.startedAt.getTime();
  const isWanted = !isOutdated && checkout.tier === tier && age < CHECKOUT_LIFE_MS - SHORTEST_LIFE_MS;
  if (isWanted && session.url) return session.url;
  if ((await expireSession(deps, session.id)) === 'paid')
    throw new ArtifexError('conflict', 'The Checkout before was just paid.');
  return undefined;
}

/**
 * To be asked when a checkout stands in the billing account, and before its session is made or given to anybody: whoever deletes the account after that
 * finds the checkout there, and has it expired.
 *
 * @throws {ArtifexError} `account_deleted`
 */
async function refuseDeleted(store: Store, userId: Types.ObjectId): Promise<void> {
  if (await isDeletedUser(store, userId)) throw accountDeleted();
}

/** Stripe is asked first: somebody may have paid a moment ago. */
async function refuseSecond(deps: BillingDeps, { userId, customer }: Buyer): Promise<void> {
  await syncCustomer(deps, customer, { names: [userId.toHexString()] });
  if (!(await liveSubscriptionOf(deps.store, userId))) return;
  throw secondSubscription();
}

export const secondSubscription = () =>
  new ArtifexError('conflict', 'There is a subscription that has not ended. Change it instead of buying another.');
