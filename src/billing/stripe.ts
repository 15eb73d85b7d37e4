import Stripe from 'stripe';
import type { Env } from '../config/env.ts';
import { ArtifexError } from '../domain/errors.ts';
import type { SubscriptionTier } from '../domain/tiers.ts';

/** The tiers that are sold. */
export const TIERS_SOLD = ['plus', 'pro'] as const satisfies SubscriptionTier[];
export type PaidTier = (typeof TIERS_SOLD)[number];

export interface StripeConfig {
  secretKey: string;
  /** Another host, for tests. */
  apiBase: string | undefined;
  /** The ids of the prices. Where one is not given, the price's lookup key or metadata tell its tier. */
  prices: Env['stripe']['prices'];
  /** How the billing portal looks; undefined: as the dashboard's settings say. */
  portalConfiguration: string | undefined;
  /** Where Stripe's pages lead back to, without a slash at its end. */
  appUrl: string;
  /** In place of the runtime's. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** How long one call may take. Milliseconds; the SDK repeats a call that failed twice, under the same idempotency key. */
const TIMEOUT_MS = 10_000;
const NETWORK_RETRIES = 2;

/**
 * Stripe's own SDK, speaking the API version that it is pinned to, whatever the account's default is
 * (https://docs.stripe.com/api/versioning).
 */
export function createStripe({
  secretKey,
  apiBase,
  fetch,
}: Pick<StripeConfig, 'secretKey' | 'apiBase' | 'fetch'>): Stripe {
  return new Stripe(secretKey, {
    // `fetch` is there on every runtime; the SDK's other client needs Node's.
    httpClient: Stripe.createFetchHttpClient(fetch),
    maxNetworkRetries: NETWORK_RETRIES,
    timeout: TIMEOUT_MS,
    telemetry: false,
    appInfo: { name: 'Artifex' },
    ...(apiBase !== undefined && hostOf(apiBase)),
  });
}

function hostOf(apiBase: string) {
  const { hostname, port, protocol } = new URL(apiBase);
  return { host: hostname, protocol: protocol === 'http:' ? 'http' : 'https', ...(port !== '' && { port }) } as const;
}

/**
 * Runs a call, and tells failures of Stripe from failures of the request: an error of the first kind is `unavailable`, and it is safe to
 * repeat what was under way, since every call that changes something carries an idempotency key.
 *
 * @throws {ArtifexError} `unavailable` for a broken connection, a time-out, 429 and 5xx (https://docs.stripe.com/error-low-level)
 */
export async function calling<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    if (!isOutOfReach(error)) throw error;
    throw new ArtifexError('unavailable', 'Stripe is out of reach. Try again later.', { cause: error });
  }
}

function isOutOfReach(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeError)) return false;
  if (error instanceof Stripe.errors.StripeConnectionError || error instanceof Stripe.errors.StripeRateLimitError)
    return true;
  return error.statusCode === 409 || (error.statusCode ?? 0) >= 500;
}

/**
 * Whether Stripe says that an object is not there (any more).
 *
 * @param param which part of the request has named it; without it, any
 */
export function isMissing(error: unknown, param?: string): boolean {
  if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) return false;
  return error.code === 'resource_missing' && (param === undefined || error.param === param);
}

/** A customer who was deleted at Stripe has nothing, and can buy nothing: then it is null. */
export async function unlessCustomerGone<Result>(call: () => Promise<Result>): Promise<Result | null> {
  try {
    return await call();
  } catch (error) {
    if (isMissing(error, 'customer')) return null;
    throw error;
  }
}

/** @throws {ArtifexError} `unavailable` when the tier's price is not configured */
export function priceOf({ prices }: StripeConfig, tier: PaidTier): string {
  const price = prices[tier];
  if (price !== undefined) return price;
  throw new ArtifexError('unavailable', `This tier is not sold here: STRIPE_PRICE_${tier.toUpperCase()} is not set.`);
}
