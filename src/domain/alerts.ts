import type { Quota } from './quota.ts';
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

/** The highest level that the usage has reached, or null. */
export function alertLevelOf({ used, limit }: Pick<Quota, 'used' | 'limit'>): QuotaAlertLevel | null {
  return QUOTA_ALERT_LEVELS.findLast((level) => used * 100 >= limit * level) ?? null;
}
