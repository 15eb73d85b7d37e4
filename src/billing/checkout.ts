import type { Types } from 'mongoose';
import type Stripe from 'stripe';
import { ArtifexError } from '../domain/errors.ts';
import type { OpenCheckout } from '../models/BillingAccount.ts';
import { billingAccountOf, replaceCheckout } from '../repositories/billingAccounts.ts';
import { liveSubscriptionOf } from '../repositories/syncedSubscriptions.ts';
import { asCustomer, type Payer } from './customers.ts';
import { underKey } from './idempotency.ts';
import { calling, type PaidTier, priceOf } from './stripe.ts';
import { type BillingDeps, syncCustomer } from './sync.ts';

/** Shorter than a session lives (24 hours), and than Stripe remembers an idempotency key. */
const LIFE_MS = 23 * 60 * 60 * 1000;

/**
 * The address of a Checkout that sells the tier. A user has one open at a time, by construction: it stands in their billing account before
 * Stripe is asked for it, what asks carries its id as idempotency key, and another one takes its place only when it can sell nothing any more.
 *
 * @throws {ArtifexError} `conflict` beside a subscription that has not ended, `unavailable`
 */
export async function openCheckout(deps: BillingDeps, user: Payer, tier: PaidTier): Promise<string> {
  const price = priceOf(deps.config, tier);
  return asCustomer(deps, user, async (customer) => {
    for (;;) {
      await refuseSecond(deps, user._id, customer);
      const { checkout } = (await billingAccountOf(deps.store, user._id)) ?? {};
      if (checkout && isFresh(deps, checkout)) {
        const session = await sessionOf(deps, checkout, { customer, userId: user._id });
        if (session.status === 'open' && checkout.tier === tier && session.url) return session.url;
        if (session.status === 'open') await expire(deps, session.id);
        // It was paid a moment ago: what it sold is looked at again, and refuses this one.
        else if (session.status === 'complete' && (await hasLive(deps, user._id, customer))) continue;
      }
      const next: OpenCheckout = { id: crypto.randomUUID(), tier, startedAt: deps.store.clock.now() };
      if (!(await replaceCheckout(deps.store, user._id, checkout, next))) continue;
      const session = await createSession(deps, next, price, { customer, userId: user._id });
      if (session.url) return session.url;
      throw new ArtifexError('unavailable', 'Stripe made no page to pay on. Try again.');
    }
  });
}

function isFresh({ store }: BillingDeps, { startedAt }: OpenCheckout): boolean {
  return store.clock.now().getTime() - startedAt.getTime() < LIFE_MS;
}

/** Stripe is asked first: somebody may have paid a moment ago. */
async function refuseSecond(deps: BillingDeps, userId: Types.ObjectId, customer: string): Promise<void> {
  if (!(await hasLive(deps, userId, customer))) return;
  throw secondSubscription();
}

export const secondSubscription = () =>
  new ArtifexError('conflict', 'There is a subscription that has not ended. Change it instead of buying another.');

async function hasLive(deps: BillingDeps, userId: Types.ObjectId, customer: string): Promise<boolean> {
  await syncCustomer(deps, customer, { names: [userId.toHexString()] });
  return (await liveSubscriptionOf(deps.store, userId)) !== null;
}

interface Buyer {
  customer: string;
  userId: Types.ObjectId;
}

/** The session of a checkout as it is now: made again under its key, where a crash has lost it, and read, since a repeated answer is an old one. */
async function sessionOf(deps: BillingDeps, checkout: OpenCheckout, buyer: Buyer): Promise<Stripe.Checkout.Session> {
  const tier = checkout.tier === 'pro' ? 'pro' : 'plus';
  const { id } = await createSession(deps, checkout, priceOf(deps.config, tier), buyer);
  return calling(() => deps.stripe.checkout.sessions.retrieve(id));
}

function createSession(
  { stripe, config }: BillingDeps,
  { id }: OpenCheckout,
  price: string,
  { customer, userId }: Buyer,
): Promise<Stripe.Checkout.Session> {
  const user = userId.toHexString();
  const session: Stripe.Checkout.SessionCreateParams = {
    mode: 'subscription',
    customer,
    client_reference_id: user,
    line_items: [{ price, quantity: 1 }],
    subscription_data: { metadata: { userId: user } },
    success_url: `${config.appUrl}/billing?checkout=success`,
    cancel_url: `${config.appUrl}/billing?checkout=cancelled`,
  };
  return calling(() => underKey(`checkout:${id}`, (options) => stripe.checkout.sessions.create(session, options)));
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
