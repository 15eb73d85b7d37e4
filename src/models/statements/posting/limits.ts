import { SUBSCRIPTION_QUOTAS, SUBSCRIPTION_TIERS } from '../../../domain/tiers.ts';
import type { Expression } from './expressions.ts';

/** The most worthy first: a tier that is none of these has the last place, and with it the least. */
const TIERS = SUBSCRIPTION_TIERS.toReversed();

/** What the tier's quota makes of it. In few words, since they go with every charge. */
const ofTier = (value: (quota: number) => number): Expression => ({
  $arrayElemAt: [
    TIERS.map((tier) => value(SUBSCRIPTION_QUOTAS[tier])),
    { $indexOfArray: [TIERS, '$subscriptionTier'] },
  ],
});

/** Credits that the tier alone allows. */
export const TIER_QUOTA: Expression = ofTier((quota) => quota);

/** Whether so many more fit into what tier and grants allow in this period. */
export const leavesRoomFor = (credits: number): Expression => ({
  $lte: [{ $subtract: ['$monthlyUsage', '$grantedCredits'] }, ofTier((quota) => quota - credits)],
});

/** Credits that tier and grants allow in this period. */
export const LIMIT: Expression = { $add: [TIER_QUOTA, '$grantedCredits'] };

/** What remains when `usage` of `limit` is used; a downgrade may leave the usage above the limit. */
export const balance = (limit: Expression, usage: Expression): Expression => ({
  $max: [0, { $subtract: [limit, usage] }],
});
