import type { Act } from '../../domain/audit.ts';
import { withAct } from './acts.ts';
import { announced } from './announcements.ts';
import { movedTo, owedRefund, PLACE } from './moves.ts';

/** Deletes a document softly, and says so in the audit trail. */
export function deleted(act: Act, now: Date) {
  return [{ $set: { isDeleted: true, deletedAt: now, updatedAt: now, ...withAct(act, now) } }];
}

export function restored(act: Act, now: Date) {
  return [{ $set: { isDeleted: false, deletedAt: null, updatedAt: now, ...withAct(act, now) } }];
}

/** A pending generation is cancelled by the same write, and then owes its refund. */
export function deletedGeneration(act: Act, now: Date) {
  const pending = { $eq: ['$status', 'pending'] };
  const status = { $cond: [pending, 'cancelled', '$status'] };
  return [
    {
      $set: {
        status,
        ...movedTo(status),
        owes: { $cond: [pending, owedRefund().owes, '$owes'] },
        announcements: { $cond: [pending, announced('cancelled', now).announcements, '$announcements'] },
      },
    },
    { $unset: [...PLACE, 'counted'] },
    ...deleted(act, now),
  ];
}
