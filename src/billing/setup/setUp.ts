import Stripe from 'stripe';
import { type PaidTier, TIERS_SOLD } from '../stripe.ts';
import { webhookEndpoint } from './endpoint.ts';
import { portalConfiguration } from './portal.ts';
import { priceOfTier, type Wish } from './prices.ts';

/** What an account of Stripe is to have. */
export interface Setup {
  prices: Readonly<Record<PaidTier, Wish>>;
  /** Where the API is reached, `https://...` without a slash at its end; undefined: no webhook endpoint is looked at. */
  host: string | undefined;
}

/** A variable of the environment, and its value. */
export type Variable = [name: string, value: string];

/**
 * Makes what Artifex needs in an account of Stripe, or finds it: prices with their products, a configuration of the billing portal, a webhook
 * endpoint. It may be cut off anywhere and be run again, and what is there as it should be is left alone.
 *
 * @param tell told of what is done, in a line
 * @returns what the environment has to say, whoever made it
 * @throws {Stripe.errors.StripeError} as the SDK does
 */
export async function setUpStripe(
  stripe: Stripe,
  { prices, host }: Setup,
  tell: (line: string) => void,
): Promise<Variable[]> {
  const variables: Variable[] = [];
  for (const tier of TIERS_SOLD)
    variables.push([`STRIPE_PRICE_${tier.toUpperCase()}`, await priceOfTier(stripe, tier, prices[tier], tell)]);
  variables.push(['STRIPE_PORTAL_CONFIGURATION', await portalConfiguration(stripe, tell)]);
  const secret = host === undefined ? null : await webhookEndpoint(stripe, host, tell);
  if (secret !== null) variables.push(['STRIPE_WEBHOOK_SECRET', secret]);
  return variables;
}

/** What went wrong at Stripe, in one line for whoever runs a command; null for an error that is none of Stripe's. */
export function stripeFailure(error: unknown): string | null {
  const { errors } = Stripe;
  if (!(error instanceof errors.StripeError)) return null;
  if (error instanceof errors.StripeAuthenticationError)
    return `STRIPE_SECRET_KEY is not taken by Stripe: ${error.message}`;
  if (error instanceof errors.StripePermissionError)
    return `STRIPE_SECRET_KEY may not do this: ${error.message} A secret key (sk_...) may.`;
  if (error instanceof errors.StripeConnectionError)
    return 'Stripe is out of reach. What was made stays: run this again.';
  if (error instanceof errors.StripeRateLimitError || error instanceof errors.StripeAPIError)
    return `Stripe cannot do it now: ${error.message} What was made stays: run this again.`;
  return `Stripe refuses: ${error.message}`;
}
