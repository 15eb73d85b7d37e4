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

/** The part of a user from which the quota follows while the period runs. */
export interface RunningAccount {
  subscriptionTier: SubscriptionTier;
  monthlyUsage: number;
  grantedCredits: number;
  quotaResetDate: Date;
}

/** And what tells which period comes after it. */
export interface QuotaAccount extends RunningAccount {
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
  if (now < account.quotaResetDate) return quotaOfPeriod(account);
  const { subscriptionTier } = account;
  const { end } = periodAt(account.paidAnchor ?? account.quotaAnchor, now);
  return quotaOfPeriod({ subscriptionTier, monthlyUsage: 0, grantedCredits: 0, quotaResetDate: end });
}

/** The quota of the period that the account is in, also when that has ended meanwhile. */
export function quotaOfPeriod(account: RunningAccount): Quota {
  const { subscriptionTier: tier, monthlyUsage: used, quotaResetDate: resetsAt } = account;
  const limit = SUBSCRIPTION_QUOTAS[tier] + account.grantedCredits;
  return { tier, limit, used, remaining: Math.max(0, limit - used), resetsAt };
}
