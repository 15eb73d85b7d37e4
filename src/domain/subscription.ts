/** Stripe's own words (https://docs.stripe.com/api/subscriptions/object#subscription_object-status). */
export const SUBSCRIPTION_STATUSES = [
  'incomplete',
  'incomplete_expired',
  'trialing',
  'active',
  'past_due',
  'canceled',
  'unpaid',
  'paused',
] as const;
export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number];

/** A subscription in one of these never comes back to life. */
export const ENDED_STATUSES = ['incomplete_expired', 'canceled'] as const satisfies readonly SubscriptionStatus[];

/** A user has at most one subscription in any of these. */
export const LIVE_STATUSES: readonly SubscriptionStatus[] = SUBSCRIPTION_STATUSES.filter(
  (status) => !ENDED_STATUSES.some((ended) => ended === status),
);
