import { ValidationFailedError } from './errors.ts';

/** What a user pays for, in ascending order of worth. */
export const SUBSCRIPTION_TIERS = ['free', 'plus', 'pro'] as const;

export type SubscriptionTier = (typeof SUBSCRIPTION_TIERS)[number];

/** Credits that each tier may spend in one period. */
export const SUBSCRIPTION_QUOTAS: Readonly<Record<SubscriptionTier, number>> = Object.freeze({
  free: 10,
  plus: 100,
  pro: 1000,
});

/** Generations of one user that each tier lets workers work on at once; more wait in turn. */
export const CONCURRENT_GENERATIONS: Readonly<Record<SubscriptionTier, number>> = Object.freeze({
  free: 1,
  plus: 3,
  pro: 10,
});

/** @throws {ValidationFailedError} unless it is a tier */
export function assertTier(tier: string): asserts tier is SubscriptionTier {
  if (SUBSCRIPTION_TIERS.some((known) => known === tier)) return;
  throw new ValidationFailedError([{ path: 'tier', message: `Give one of ${SUBSCRIPTION_TIERS.join(', ')}` }]);
}

/** Whether `to` is worth more than `from`. */
export function isHigherTier(from: SubscriptionTier, to: SubscriptionTier): boolean {
  return SUBSCRIPTION_TIERS.indexOf(to) > SUBSCRIPTION_TIERS.indexOf(from);
}
