import type { Types } from 'mongoose';
import type Stripe from 'stripe';
import type { Env } from '../config/env.ts';
import type { ToldEvent } from '../domain/inbox.ts';
import type { Context } from '../workflows/context.ts';
import type { ApplyEvent } from '../workflows/inbox.ts';
import { stripeEvents } from './applyEvent.ts';
import { changeSubscription, type SubscriptionChange } from './change.ts';
import { openCheckout } from './checkout.ts';
import type { Payer } from './customers.ts';
import { readStripeEvent } from './events.ts';
import { openPortal } from './portal.ts';
import { createStripe, type PaidTier, type StripeConfig } from './stripe.ts';
import type { BillingDeps } from './sync.ts';
import { noKey, withoutStripe } from './withoutStripe.ts';

/** Everything that has to do with Stripe, in one process. */
export interface Billing {
  /** Null without `STRIPE_SECRET_KEY`. */
  deps: BillingDeps | null;
  /** Null without `STRIPE_WEBHOOK_SECRET`. */
  read: ((payload: string, headers: Headers) => Promise<ToldEvent | null>) | null;
  apply: ApplyEvent;
  /** @throws {ArtifexError} `unavailable` without `STRIPE_SECRET_KEY`, and whatever the deed throws */
  checkout(user: Payer, tier: PaidTier): Promise<string>;
  portal(userId: Types.ObjectId): Promise<string>;
  change(userId: Types.ObjectId, change: SubscriptionChange): Promise<void>;
}

/** Only checks signatures, and calls nobody. */
const NO_KEY = 'sk_test_none';

export function createBilling(
  { secretKey, webhookSecret, apiBase, prices, portalConfiguration }: Env['stripe'],
  ctx: Context,
  appUrl: string,
  problemSeen: (problem: string) => void = () => {},
  fetch?: StripeConfig['fetch'],
): Billing {
  const config = { secretKey: secretKey ?? NO_KEY, apiBase, prices, portalConfiguration, appUrl, fetch };
  const stripe = createStripe(config);
  const deps: BillingDeps | null =
    secretKey === undefined ? null : { store: ctx, stripe, config, needsPerson: teller(ctx, problemSeen) };
  return {
    deps,
    read: readerOf(stripe, webhookSecret, secretKey),
    apply: deps ? stripeEvents(deps) : () => Promise.reject(noKey()),
    ...(deps ? askingStripe(deps) : withoutStripe(ctx)),
  };
}

function askingStripe(deps: BillingDeps): Pick<Billing, 'checkout' | 'portal' | 'change'> {
  return {
    checkout: (user, tier) => openCheckout(deps, user, tier),
    portal: (userId) => openPortal(deps, userId),
    change: (userId, change) => changeSubscription(deps, userId, change),
  };
}

function readerOf(stripe: Stripe, secret: string | undefined, secretKey: string | undefined): Billing['read'] {
  if (secret === undefined) return null;
  const isLiveMode = secretKey === undefined ? null : /^[sr]k_live_/.test(secretKey);
  return (payload, headers) =>
    readStripeEvent({ stripe, secret, isLiveMode }, payload, headers.get('Stripe-Signature') ?? undefined);
}

function teller(ctx: Context, problemSeen: (problem: string) => void): BillingDeps['needsPerson'] {
  return (problem, customer) => {
    ctx.log.error('a subscription needs a person: look at this customer in the dashboard of Stripe', {
      problem,
      customer,
    });
    problemSeen(problem);
  };
}
