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

/** How long a subscription that is past due still counts, from the start of the unpaid period. Milliseconds. */
export const PAST_DUE_GRACE_MS = 3 * 24 * 60 * 60 * 1000;

const DAY_MS = 24 * 60 * 60 * 1000;

/** The part of a subscription from which its standing follows. */
export interface SubscriptionTerms {
  status: SubscriptionStatus;
  currentPeriodStart: Date;
  currentPeriodEnd: Date;
  trialEnd?: Date | null | undefined;
}

/** Whether the subscription grants its tier at `now`. One that is past due does for {@link PAST_DUE_GRACE_MS}. */
export function isActive({ status, currentPeriodStart }: SubscriptionTerms, now: Date): boolean {
  if (status === 'past_due') return now.getTime() < currentPeriodStart.getTime() + PAST_DUE_GRACE_MS;
  return status === 'active' || status === 'trialing';
}

export function isInTrial({ status, trialEnd }: SubscriptionTerms, now: Date): boolean {
  return status === 'trialing' && (!trialEnd || now < trialEnd);
}

export function hasEnded({ status }: Pick<SubscriptionTerms, 'status'>): boolean {
  return ENDED_STATUSES.some((ended) => ended === status);
}

/** Whether it has ended, or its paid period has without a new one. */
export function hasExpired(terms: SubscriptionTerms, now: Date): boolean {
  return hasEnded(terms) || now >= terms.currentPeriodEnd;
}

/** Days until the period ends, begun ones counted whole; 0 when it has. */
export function daysUntilRenewal(terms: SubscriptionTerms, now: Date): number {
  if (hasEnded(terms)) return 0;
  return Math.max(0, Math.ceil((terms.currentPeriodEnd.getTime() - now.getTime()) / DAY_MS));
}
