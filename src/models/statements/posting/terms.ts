import { Types } from 'mongoose';
import { openEntry } from './entries.ts';
import { type Changes, type Expression, mergeIf } from './expressions.ts';
import { emptyPeriod, monthAround } from './periods.ts';
import { type Posting, slotOf, type Terms } from './posting.ts';

/** What an account is entitled to from now on, and when its months begin. */
export function followTerms(posting: Posting & { kind: 'terms' }, now: Date): Changes {
  const { tier, paidPeriod, version } = posting;
  const change = {
    $mergeObjects: [{ $literal: posting.act ?? {} }, { detail: { from: '$subscriptionTier', to: tier } }],
  };
  const act = { $cond: [{ $ne: ['$subscriptionTier', tier] }, change, '$$REMOVE'] };
  const terms = {
    subscriptionTier: tier,
    ...(version && { followed: version }),
    ...openEntry(posting, now, { period: '$periodNumber', act }),
  };
  if (paidPeriod === undefined) return terms;
  if (paidPeriod === null) {
    const unpaid = { $eq: [{ $ifNull: ['$paidAnchor', null] }, null] };
    // Who stood still since they read the clock would end a period that others have left behind, and thereby begin theirs a second time.
    const reached = { $max: [now, '$periodStart'] };
    return monthAround(reached, '$quotaAnchor', ({ end }) => ({
      ...terms,
      paidAnchor: null,
      quotaResetDate: { $cond: [unpaid, '$quotaResetDate', end] },
    }));
  }
  // News of a period that the account has left behind moves no date: it would be ended, and thereby reset, a second time.
  const isCurrent = { $gt: [paidPeriod.end, '$periodStart'] };
  return {
    ...terms,
    paidAnchor: { $cond: [isCurrent, paidPeriod.end, '$paidAnchor'] },
    quotaResetDate: { $cond: [isCurrent, paidPeriod.end, '$quotaResetDate'] },
  };
}

/** Terms with a version are news when no newer ones have been followed; others, when they change the tier. */
export function areNews({ tier, version }: Terms): Expression {
  if (!version) return { $ne: ['$subscriptionTier', tier] };
  return { $gt: [version.sum, '$followed.sum'] };
}

/**
 * A paid period resets the quota when it begins: once, whether its news or the clock comes first. What the clock has begun at
 * the same instant is that period, and news of an earlier one is too late.
 */
export function beginPaidPeriod(posting: Posting, now: Date): Changes[] {
  if (posting.kind !== 'terms' || !posting.paidPeriod) return [];
  const { start } = posting.paidPeriod;
  const follows = { $eq: [{ $type: `$openEntries.${slotOf(posting)}` }, 'object'] };
  const reset = emptyPeriod({ id: new Types.ObjectId(), kind: 'reset' }, now);
  return [mergeIf({ $and: [follows, { $gt: [start, '$periodStart'] }] }, { ...reset, periodStart: start })];
}
