import { appendEntry } from './entries.ts';
import { type Changes, type Expression, letting, mergeIf } from './expressions.ts';
import { TIER_QUOTA } from './limits.ts';
import type { Posting } from './posting.ts';

/** Begins a new period when the reset date has passed, and else changes nothing. */
export function rolloverStatement(reset: Posting & { kind: 'reset' }, now: Date): Changes[] {
  return [mergeIf({ $gte: [now, '$quotaResetDate'] }, beginPeriod(reset, now))];
}

/**
 * The period around `now`, however many have passed since the last one. Months count from the end of the paid period, if
 * there is one, and else from sign-up.
 */
function beginPeriod(reset: Posting & { kind: 'reset' }, now: Date): Expression {
  return monthAround(now, { $ifNull: ['$paidAnchor', '$quotaAnchor'] }, ({ start, end }) => ({
    ...emptyPeriod(reset, now),
    periodStart: start,
    quotaResetDate: end,
  }));
}

/** The form of `periodAt` that runs inside the database. */
export function monthAround(
  now: Date | Expression,
  anchor: Expression,
  use: (month: { start: Expression; end: Expression }) => Changes,
): Changes {
  const monthsOn = (months: Expression) => ({ $dateAdd: { startDate: anchor, unit: 'month', amount: months } });
  const begun = { $lte: ['$$candidate', now] };
  return letting(
    { months: { $dateDiff: { startDate: anchor, endDate: now, unit: 'month' } } },
    letting(
      { candidate: monthsOn('$$months') },
      use({
        start: { $cond: [begun, '$$candidate', monthsOn({ $subtract: ['$$months', 1] })] },
        end: { $cond: [begun, monthsOn({ $add: ['$$months', 1] }), '$$candidate'] },
      }),
    ),
  );
}

/** Usage and grants end with their period; the tier's whole quota remains. */
export function emptyPeriod(reset: Posting & { kind: 'reset' }, now: Date): Changes {
  const period = { $add: ['$periodNumber', 1] };
  return {
    monthlyUsage: 0,
    grantedCredits: 0,
    quotaAlert: 0,
    periodNumber: period,
    // A clock that is behind moves no period back.
    periodStart: { $max: [now, '$periodStart'] },
    ...appendEntry(reset, now, { credits: TIER_QUOTA, balance: TIER_QUOTA, period }),
  };
}
