import { type Found, LEISURE_MS } from '../../../domain/ledger.ts';
import type { Changes } from './expressions.ts';
import { leavesRoomFor } from './limits.ts';
import { type ChargePosting, type KeyGuard, slotOf } from './posting.ts';

/** What admits a posting, and what it changes. */
export interface GuardedUpdate {
  filter: Changes;
  update: Changes[];
}

/**
 * A charge as it mostly is: of an account whose period runs and which admits it. It does what `postingStatement` would do, or
 * nothing at all when something is out of the ordinary; then that one decides. It costs the database a third of it.
 */
export function ordinaryCharge(posting: ChargePosting, now: Date, guard?: KeyGuard): GuardedUpdate {
  const { filter, update } = ordinaryCharges([posting], now);
  const keys = guard && {
    forgottenThrough: 'forgottenBefore' in guard ? { $lt: guard.forgottenBefore } : guard.forgottenThrough,
  };
  return { filter: { ...filter, [`openEntries.${slotOf(posting)}`]: { $exists: false }, ...keys }, update };
}

/**
 * Several of one account, of which no key tells that it may have been made before: all of them, one after the other, if they fit
 * together, and else none.
 */
export function ordinaryCharges(postings: readonly ChargePosting[], now: Date): GuardedUpdate {
  const total = postings.reduce((sum, { credits }) => sum + credits, 0);
  const uncounted = postings.reduce(
    (sum, { credits, generationId }) => sum + (generationId === undefined ? credits : 0),
    0,
  );
  const sweepAt = postings.some(isWaitedFor) ? now : new Date(now.getTime() + LEISURE_MS);
  return {
    filter: {
      isDeleted: false,
      quotaResetDate: { $gt: now },
      $expr: leavesRoomFor(total),
    },
    update: [
      {
        $set: {
          monthlyUsage: { $add: ['$monthlyUsage', total] },
          entrySequence: { $add: ['$entrySequence', postings.length] },
          ...entries(postings, now),
          sweepAt: { $min: ['$sweepAt', sweepAt] },
          updatedAt: now,
          ...(uncounted > 0 && { totalImagesGenerated: { $add: ['$totalImagesGenerated', uncounted] } }),
        },
      },
    ],
  };
}

/** Whether somebody looks for what follows from it: a key is met in the ledger, and a generation waits to be recorded. */
const isWaitedFor = ({ key, generationId }: ChargePosting) => key !== undefined || generationId !== undefined;

function entries(postings: readonly ChargePosting[], now: Date): Changes {
  let taken = 0;
  return Object.fromEntries(
    postings.map((posting, index) => {
      const found = {
        sequence: index === 0 ? '$entrySequence' : { $add: ['$entrySequence', index] },
        used: taken === 0 ? '$monthlyUsage' : { $add: ['$monthlyUsage', taken] },
        tier: '$subscriptionTier',
        granted: '$grantedCredits',
      } satisfies Record<keyof Found, unknown>;
      taken += posting.credits;
      const entry = { ...literally(posting), at: now, period: '$periodNumber', found };
      return [`openEntries.${slotOf(posting)}`, entry];
    }),
  );
}

/** Text from outside is literal: a reason that begins with a dollar sign is no expression. What is no text, or our own, is as it is. */
function literally({ id, kind, credits, generationId, ...outside }: ChargePosting): Changes {
  return {
    id,
    kind,
    credits,
    ...(generationId && { generationId }),
    ...Object.fromEntries(Object.entries(outside).map(([name, value]) => [name, { $literal: value }])),
  };
}
