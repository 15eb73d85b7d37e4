import type { SubscriptionTier } from './tiers.ts';

/** Percent of a period's credits at which a user's operator is told, once a period each, in ascending order. */
export const QUOTA_ALERT_LEVELS = [80, 100] as const;

export type QuotaAlertLevel = (typeof QUOTA_ALERT_LEVELS)[number];

/** A user's usage has reached a level. */
export interface QuotaAlert {
  userId: string;
  tier: SubscriptionTier;
  level: QuotaAlertLevel;
}
