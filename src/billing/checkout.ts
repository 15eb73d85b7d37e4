import type { Types } from 'mongoose';
import Stripe from 'stripe';
import { ArtifexError } from '../domain/errors.ts';
import type { OpenCheckout } from '../models/BillingAccount.ts';
import { billingAccountOf, keepCustomer, replaceCheckout } from '../repositories/billingAccounts.ts';
import { liveSubscriptionOf } from '../repositories/syncedSubscriptions.ts';
import { asCustomer, type Payer } from './customers.ts';
import { underKey } from './idempotency.ts';
import { calling, type PaidTier, priceOf } from './stripe.ts';
import { type BillingDeps, syncCustomer } from './sync.ts';

/**
 * How long a session can be paid on, from when its checkout was begun and not from when Stripe has made it: so none that is made late, by a process that
 * stood still, can sell beside the next one. Stripe takes 24 hours at most (https://docs.stripe.com/api/checkout/sessions/create).
 */
const LIFE_MS = 22 * 60 * 60 * 1000;
/** By how much our clock may be ahead of Stripe's when it takes a session for dead. With it, less than Stripe remembers an idempotency key. */
const TOLERANCE_MS = 60 * 60 * 1000;
/** What is left of a life when its page is given to somebody once more. Stripe itself makes none that lives for less. */
const SHORTEST_LIFE_MS = 30 * 60 * 1000;

interface Buyer {
  customer: string;
  userId: Types.ObjectId;
}

/**
 * The address of a Checkout that sells the tier. A user has one open at a time, by construction: it stands in their billing account before
 * Stripe is asked for it, what asks carries its id as idempotency key, and another one takes its place only when it can sell nothing any more.
 *
 * @throws {ArtifexError} `conflict` beside a subscription that has not ended, `unavailable`
 */
export async function openCheckout(deps: BillingDeps, user: Payer, tier: PaidTier): Promise<string> {
  const price = priceOf(deps.config, tier);
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
      const session = await createSession(deps, next, price, buyer);
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
  if (ageOf(deps, checkout) >= LIFE_MS + TOLERANCE_MS) return undefined;
  const session = await sessionOf(deps, checkout, buyer);
  if (session?.status !== 'open') return undefined;
  const isWanted = checkout.tier === tier && ageOf(deps, checkout) < LIFE_MS - SHORTEST_LIFE_MS;
  if (isWanted && session.url) return session.url;
  await expire(deps, session.id);
  return undefined;
}

function ageOf({ store }: BillingDeps, { startedAt }: OpenCheckout): number {
  return store.clock.now().getTime() - startedAt.getTime();
}

/** Stripe is asked first: somebody may have paid a moment ago. */
async function refuseSecond(deps: BillingDeps, { userId, customer }: Buyer): Promise<void> {
  await syncCustomer(deps, customer, { names: [userId.toHexString()] });
  if (!(await liveSubscriptionOf(deps.store, userId))) return;
  throw secondSubscription();
}

export const secondSubscription = () =>
  new ArtifexError('conflict', 'There is a subscription that has not ended. Change it instead of buying another.');

/**
 * The session of a checkout as it is now: made again under its key, where a crash has lost it, and read, since a repeated answer is an old one.
 *
 * @returns null when there is none, and none can be made any more
 */
async function sessionOf(
  deps: BillingDeps,
  checkout: OpenCheckout,
  buyer: Buyer,
): Promise<Stripe.Checkout.Session | null> {
  const tier = checkout.tier === 'pro' ? 'pro' : 'plus';
  const made = await createSession(deps, checkout, priceOf(deps.config, tier), buyer);
  return made && calling(() => deps.stripe.checkout.sessions.retrieve(made.id));
}

/** @returns null when it is too late for that: a session has to live for a while, and this one's end is fixed */
function createSession(
  { stripe, config }: BillingDeps,
  { id, startedAt }: OpenCheckout,
  price: string,
  { customer, userId }: Buyer,
): Promise<Stripe.Checkout.Session | null> {
  const user = userId.toHexString();
  const session: Stripe.Checkout.SessionCreateParams = {
    mode: 'subscription',
    customer,
    client_reference_id: user,
    line_items: [{ price, quantity: 1 }],
    subscription_data: { metadata: { userId: user } },
    success_url: `${config.appUrl}/billing?checkout=success`,
    cancel_url: `${config.appUrl}/billing?checkout=cancelled`,
    expires_at: Math.floor((startedAt.getTime() + LIFE_MS) / 1000),
  };
  return calling(() =>
    underKey(`checkout:${id}`, (options) => stripe.checkout.sessions.create(session, options)).catch(nullIfTooLate),
  );
}

function nullIfTooLate(error: unknown): null {
  if (error instanceof Stripe.errors.StripeInvalidRequestError && error.param === 'expires_at') return null;
  throw error;
}

/** One that was paid or expired meanwhile cannot be expired; the next look tells which. */
async function expire({ stripe }: BillingDeps, id: string): Promise<void> {
  await calling(async () => {
    try {
      await stripe.checkout.sessions.expire(id);
    } catch (error) {
      const { status } = await stripe.checkout.sessions.retrieve(id);
      if (status === 'open') throw error;
    }
  });
  const { status } = await calling(() => stripe.checkout.sessions.retrieve(id));
  if (status === 'complete') throw new ArtifexError('conflict', 'The Checkout before was just paid.');
}
