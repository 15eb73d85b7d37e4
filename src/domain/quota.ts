import { periodAt } from './periods.ts';
import { SUBSCRIPTION_QUOTAS, type SubscriptionTier } from './tiers.ts';

/** What is left of a user's period. Credits; `remaining` is never negative. */
export interface Quota {
  tier: SubscriptionTier;
  limit: number;
  used: number;
  remaining: number;
  resetsAt: Date;
}

/** The part of a user from which the quota follows. */
export interface QuotaAccount {
  subscriptionTier: SubscriptionTier;
  monthlyUsage: number;
  grantedCredits: number;
  quotaResetDate: Date;
  /** The instant from which this account's months count while nothing is paid for. */
  quotaAnchor: Date;
  /** The end of the period that is paid for, from which they count until there is news of the next one. */
  paidAnchor?: Date | null;
}

/**
 * The quota of an account at `now`. An account whose reset date has passed is read as if it had been reset, so the
 * answer is right even where nothing has written the reset yet.
 */
export function quotaOf(account: QuotaAccount, now: Date): Quota {
  const over = now >= account.quotaResetDate;
  const used = over ? 0 : account.monthlyUsage;
  const limit = SUBSCRIPTION_QUOTAS[account.subscriptionTier] + (over ? 0 : account.grantedCredits);
  return {
    tier: account.subscriptionTier,
    limit,
    used,
    remaining: Math.max(0, limit - used),
    resetsAt: over ? periodAt(account.paidAnchor ?? account.quotaAnchor, now).end : account.quotaResetDate,
  };
}
