import type { Lease, OutputImage } from '../ImageGeneration.ts';

/**
 * What each move of a generation's lifecycle writes. Whoever makes a move adds the guard: the statuses from which it is
 * legal, and the lease under which it is made.
 */

/** Claimed by a worker under a lease, or begun by code that needs none. */
export function begun(now: Date, lease?: Lease) {
  return {
    $set: { status: 'processing' as const, startedAt: now, updatedAt: now, ...(lease && { lease }) },
    $inc: { attempts: 1 },
    $unset: { availableAt: 1 as const, counted: 1 as const },
  };
}

/**
 * Ended with its pictures; it then owes their delivery to the user's count.
 *
 * @param processingTime seconds; without it, the age of the attempt
 */
export function completed(
  now: Date,
  { outputImages, processingTime }: { outputImages: readonly OutputImage[]; processingTime?: number | undefined },
) {
  const age = { $divide: [{ $subtract: [now, '$startedAt'] }, 1000] };
  return [
    {
      $set: {
        status: 'completed',
        outputImages: { $literal: outputImages },
        processingTime: processingTime ?? age,
        completedAt: now,
        updatedAt: now,
        owes: 'delivery',
      },
    },
    { $unset: ['lease', 'counted'] },
  ];
}

/** Ended without pictures, for good. */
export function failed(now: Date, errorMessage: string) {
  return [
    {
      $set: {
        status: 'failed',
        errorMessage: { $literal: errorMessage },
        failedAt: now,
        updatedAt: now,
        ...owedRefund(),
      },
    },
    { $unset: ['lease', 'availableAt', 'counted'] },
  ];
}

/** Ended before anybody worked on it. */
export function cancelled(now: Date) {
  return [{ $set: { status: 'cancelled', ...owedRefund(), updatedAt: now } }, { $unset: ['availableAt', 'counted'] }];
}

/** Whoever has paid is owed a refund when a generation ends without pictures. */
export function owedRefund() {
  return { owes: { $cond: [{ $eq: [{ $type: '$charge' }, 'missing'] }, '$$REMOVE', 'refund'] } };
}
