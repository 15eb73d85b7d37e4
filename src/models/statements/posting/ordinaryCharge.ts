import { type Found, LEISURE_MS } from '../../../domain/ledger.ts';
import type { Changes, Expression } from './expressions.ts';
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
  let total = 0;
  let uncounted = 0;
  let sweepAt = new Date(now.getTime() + LEISURE_MS);
  for (const posting of postings) {
    total += posting.credits;
    if (posting.generationId === undefined) uncounted += posting.credits;
    if (isWaitedFor(posting)) sweepAt = now;
  }
  const changes: Changes = {
    monthlyUsage: { $add: ['$monthlyUsage', total] },
    entrySequence: { $add: ['$entrySequence', postings.length] },
    sweepAt: { $min: ['$sweepAt', sweepAt] },
    updatedAt: now,
  };
  if (uncounted > 0) changes['totalImagesGenerated'] = { $add: ['$totalImagesGenerated', uncounted] };
  let taken = 0;
  for (const [index, posting] of postings.entries()) {
    changes[`openEntries.${slotOf(posting)}`] = entry(posting, now, index === 0 ? FOUND : foundAfter(index, taken));
    taken += posting.credits;
  }
  return {
    filter: { isDeleted: false, quotaResetDate: { $gt: now }, $expr: leavesRoomFor(total) },
    update: [{ $set: changes }],
  };
}

/** Whether somebody looks for what follows from it: a key is met in the ledger, and a generation waits to be recorded. */
const isWaitedFor = ({ key, generationId }: ChargePosting) => key !== undefined || generationId !== undefined;

type FoundExpressions = Record<keyof Found, Expression>;

/** What the account is before the first of them. */
const FOUND: FoundExpressions = {
  sequence: '$entrySequence',
  used: '$monthlyUsage',
  tier: '$subscriptionTier',
  granted: '$grantedCredits',
};

/** What it is after some of them, which took so many credits. */
const foundAfter = (count: number, taken: number): FoundExpressions => ({
  ...FOUND,
  sequence: { $add: ['$entrySequence', count] },
  used: { $add: ['$monthlyUsage', taken] },
});

/** What is no text of somebody else's. */
type Own = 'id' | 'kind' | 'credits' | 'generationId';

const OUTSIDE = Object.keys({
  key: true,
  fingerprint: true,
  generation: true,
  reason: true,
  act: true,
} satisfies Record<Exclude<keyof ChargePosting, Own>, true>);

/** Text from outside is literal: a reason that begins with a dollar sign is no expression. */
function entry(posting: ChargePosting, now: Date, found: FoundExpressions): Changes {
  const { id, kind, credits, generationId } = posting;
  const fields: Changes = { id, kind, credits, at: now, period: '$periodNumber', found };
  if (generationId) fields['generationId'] = generationId;
  const given: Readonly<Record<string, unknown>> = posting;
  for (const name of OUTSIDE) if (given[name] !== undefined) fields[name] = { $literal: given[name] };
  return fields;
}
