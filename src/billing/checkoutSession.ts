import type { Types } from 'mongoose';
import Stripe from 'stripe';
import { CHECKOUT_LIFE_MS } from '../domain/checkout.ts';
import type { OpenCheckout } from '../models/BillingAccount.ts';
import { underKey } from './idempotency.ts';
import { calling, priceOf } from './stripe.ts';
import type { BillingDeps } from './sync.ts';

export interface Buyer {
  customer: string;
  userId: Types.ObjectId;
}

/** A session as it is now, and whether it was made by another configuration than today's: for another price, or to lead back to elsewhere. */
interface Made {
  session: Stripe.Checkout.Session;
  isOutdated: boolean;
}

/**
 * The session of a checkout: made again under its key, where a crash has lost it, and read, since a repeated answer is an old one. No list
 * could tell that there is none: somebody may be about to make it.
 *
 * @returns null when there is none to pay on, and none can be made any more
 */
export async function sessionOf(deps: BillingDeps, checkout: OpenCheckout, buyer: Buyer): Promise<Made | null> {
  try {
    const made = await makeSession(deps, checkout, buyer);
    if (!made) return null;
    return { session: await calling(() => deps.stripe.checkout.sessions.retrieve(made.id)), isOutdated: false };
  } catch (error) {
    // The key came with other words before: then its session was made, and is the customer's only one.
    if (!(error instanceof Stripe.errors.StripeIdempotencyError)) throw error;
    const { customer } = buyer;
    const { data } = await calling(() => deps.stripe.checkout.sessions.list({ customer, status: 'open', limit: 1 }));
    return data[0] ? { session: data[0], isOutdated: true } : null;
  }
}

/** @returns null when it is too late for that: a session has to live for a while, and this one's end is fixed */
export function makeSession(
  { stripe, config }: BillingDeps,
  { id, tier, startedAt }: OpenCheckout,
  { customer, userId }: Buyer,
): Promise<Stripe.Checkout.Session | null> {
  const user = userId.toHexString();
  const session: Stripe.Checkout.SessionCreateParams = {
    mode: 'subscription',
    customer,
    client_reference_id: user,
    line_items: [{ price: priceOf(config, tier === 'pro' ? 'pro' : 'plus'), quantity: 1 }],
    subscription_data: { metadata: { userId: user } },
    success_url: `${config.appUrl}/billing?checkout=success`,
    cancel_url: `${config.appUrl}/billing?checkout=cancelled`,
    expires_at: Math.floor((startedAt.getTime() + CHECKOUT_LIFE_MS) / 1000),
  };
  return calling(() =>
    underKey(`checkout:${id}`, (options) => stripe.checkout.sessions.create(session, options)).catch(nullIfTooLate),
  );
}

function nullIfTooLate(error: unknown): null {
  if (error instanceof Stripe.errors.StripeInvalidRequestError && error.param === 'expires_at') return null;
  throw error;
}

/** @returns whether it was paid a moment before, and not expired */
export async function expireSession({ stripe }: BillingDeps, id: string): Promise<'expired' | 'paid'> {
  await calling(async () => {
    try {
      await stripe.checkout.sessions.expire(id);
    } catch (error) {
      // One that was paid or expired meanwhile cannot be expired; the next look tells which.
      const { status } = await stripe.checkout.sessions.retrieve(id);
      if (status === 'open') throw error;
    }
  });
  const { status } = await calling(() => stripe.checkout.sessions.retrieve(id));
  return status === 'complete' ? 'paid' : 'expired';
}
