import type { GenerationStatus } from '../../domain/lifecycle.ts';
import { REMEMBERED_MOVES } from '../../domain/moves.ts';
import type { Lease, OutputImage } from '../ImageGeneration.ts';
import { announced } from './announcements.ts';

/**
 * What each move of a generation's lifecycle writes. Whoever makes a move adds the guard: the statuses from which it is
 * legal, and the lease under which it is made.
 */

/** Its place in the queue or before it. Whatever ends a generation takes it away by the same write, and so makes room for the next one. */
export const PLACE = ['slot', 'availableAt', 'waitingSince'] as const;

/** Claimed by a worker under a lease, or begun by code that needs none. */
export function begun(now: Date, lease?: Lease) {
  return [
    {
      $set: {
        status: 'processing',
        startedAt: now,
        updatedAt: now,
        attempts: { $add: [{ $ifNull: ['$attempts', 0] }, 1] },
        ...(lease && { lease: { $literal: lease } }),
        ...movedTo('processing', now),
        ...announced('processing', now),
      },
    },
    { $unset: ['availableAt', 'waitingSince', 'counted'] },
  ];
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
        ...movedTo('completed'),
        ...announced('completed', now),
      },
    },
    { $unset: ['lease', 'slot', 'counted'] },
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
        ...movedTo('failed'),
        ...announced('failed', now),
      },
    },
    { $unset: ['lease', ...PLACE, 'counted'] },
  ];
}

/** Ended before anybody worked on it. */
export function cancelled(now: Date) {
  return [
    {
      $set: {
        status: 'cancelled',
        ...movedTo('cancelled'),
        ...owedRefund(),
        ...announced('cancelled', now),
        updatedAt: now,
      },
    },
    { $unset: [...PLACE, 'counted'] },
  ];
}

/** Whoever has paid is owed a refund when a generation ends without pictures. */
export function owedRefund() {
  return { owes: { $cond: [{ $eq: [{ $type: '$charge' }, 'missing'] }, '$$REMOVE', 'refund'] } };
}

/**
 * Counts the move up and remembers it, in the write that makes it. Where that write leaves the status as it is, nothing has moved.
 *
 * @param status the new one, or the expression that it is
 * @param startedAt when the attempt began, as the move leaves it
 */
export function movedTo(status: GenerationStatus | object, startedAt: Date | '$startedAt' | '$$REMOVE' = '$startedAt') {
  const number = { $add: [{ $ifNull: [{ $max: '$moves.number' }, 0] }, 1] };
  const moves = { $concatArrays: [{ $ifNull: ['$moves', []] }, [{ number, status, startedAt }]] };
  return { moves: { $cond: [{ $eq: [status, '$status'] }, '$moves', { $slice: [moves, -REMEMBERED_MOVES] }] } };
}
