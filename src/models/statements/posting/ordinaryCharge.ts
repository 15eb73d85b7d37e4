import type { Changes } from './expressions.ts';
import { LIMIT } from './limits.ts';
import { type KeyGuard, type Posting, slotOf } from './posting.ts';

/**
 * A charge as it mostly is: of an account whose period runs and which admits it. It does what `postingStatement` would do, or
 * nothing at all when something is out of the ordinary; then that one decides. It costs the database a third of it.
 */
export function ordinaryCharge(
  posting: Posting & { kind: 'charge' },
  now: Date,
  guard?: KeyGuard,
): { filter: Changes; update: Changes[] } {
  const slot = slotOf(posting);
  const after = { $add: ['$monthlyUsage', posting.credits] };
  const entry = {
    sequence: { $add: ['$entrySequence', 1] },
    balance: { $subtract: [LIMIT, after] },
    period: '$periodNumber',
  };
  return {
    filter: {
      isDeleted: false,
      quotaResetDate: { $gt: now },
      [`openEntries.${slot}`]: { $exists: false },
      ...(guard && {
        forgottenThrough: 'forgottenBefore' in guard ? { $lt: guard.forgottenBefore } : guard.forgottenThrough,
      }),
      $expr: { $lte: [after, LIMIT] },
    },
    update: [
      {
        $set: {
          monthlyUsage: after,
          entrySequence: entry.sequence,
          [`openEntries.${slot}`]: { $mergeObjects: [{ $literal: { ...posting, at: now } }, entry] },
          sweepAt: { $min: ['$sweepAt', now] },
          updatedAt: now,
          ...(posting.generationId === undefined && {
            totalImagesGenerated: { $add: ['$totalImagesGenerated', posting.credits] },
          }),
        },
      },
    ],
  };
}
