/** What a user pays for, in ascending order of worth. */
export const SUBSCRIPTION_TIERS = ['free', 'plus', 'pro'] as const;

export type SubscriptionTier = (typeof SUBSCRIPTION_TIERS)[number];

/** Credits that each tier may spend in one period. */
export const SUBSCRIPTION_QUOTAS: Readonly<Record<SubscriptionTier, number>> = Object.freeze({
  free: 10,
  plus: 100,
  pro: 1000,
});
