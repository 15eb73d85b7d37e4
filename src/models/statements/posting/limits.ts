import { SUBSCRIPTION_QUOTAS, SUBSCRIPTION_TIERS } from '../../../domain/tiers.ts';
import type { Expression } from './expressions.ts';

/** The most worthy first: a tier that is none of these has the last place, and with it the least. */
const TIERS = SUBSCRIPTION_TIERS.toReversed();

const QUOTAS = TIERS.map((tier) => SUBSCRIPTION_QUOTAS[tier]);
const PLACE = { $indexOfArray: [TIERS, '$subscriptionTier'] };

/** Credits that the tier alone allows. */
export const TIER_QUOTA: Expression = { $arrayElemAt: [QUOTAS, PLACE] };

/** Whether so many more fit into what tier and grants allow in this period. In few words, since they go with every charge. */
export const leavesRoomFor = (credits: number): Expression => ({
  $lte: [
    { $subtract: ['$monthlyUsage', '$grantedCredits'] },
    { $arrayElemAt: [QUOTAS.map((quota) => quota - credits), PLACE] },
  ],
});

/** Credits that tier and grants allow in this period. */
export const LIMIT: Expression = { $add: [TIER_QUOTA, '$grantedCredits'] };

/** What remains when `usage` of `limit` is used; a downgrade may leave the usage above the limit. */
export const balance = (limit: Expression, usage: Expression): Expression => ({
  $max: [0, { $subtract: [limit, usage] }],
});
