import type { Types } from 'mongoose';
import { SUBSCRIPTION_QUOTAS, SUBSCRIPTION_TIERS } from '../../domain/tiers.ts';
import type { OpenEntry } from '../User.ts';

/** What is to be posted; sequence and balance follow from the account itself, and so does every period but a refund's. */
export type Posting = { id: Types.ObjectId; reason?: string } & (
  | (Pick<OpenEntry, 'key' | 'fingerprint' | 'generationId' | 'generation'> & { kind: 'charge'; credits: number })
  | { kind: 'refund'; credits: number; period: number; chargeId: Types.ObjectId; generationId?: Types.ObjectId }
  | { kind: 'grant'; credits: number }
  | { kind: 'reset' }
  | { kind: 'delivery'; credits: number; generationId: Types.ObjectId }
);

/**
 * Guards a posting against keys that left the account since the caller looked them up elsewhere. Either nothing that was
 * settled at this instant or later may have left, or what has left must be just what had left before the look-up.
 */
export type KeyGuard = { forgottenBefore: Date } | { forgottenThrough: Date };

type Expression = unknown;
type Changes = Record<string, Expression>;

/** Where a posting stands in the account's open entries. Postings that must not happen twice have the same place. */
export function slotOf(posting: Posting): string {
  if (posting.kind === 'charge' && posting.key !== undefined) return `k${posting.key}`;
  if (posting.kind === 'refund') return `r${posting.chargeId.toHexString()}`;
  if (posting.kind === 'delivery') return `d${posting.generationId.toHexString()}`;
  return `${ONCE_ONLY}${posting.id.toHexString()}`;
}

/** How the place of an entry begins that nobody can post again, so that nothing has to remember it. */
export const ONCE_ONLY = 'e';

/**
 * The one statement that moves an account: it begins a new period when the reset date has passed, then applies the posting if
 * the account admits it, and records it among the open entries. An update pipeline sees one document in one state, so no
 * interleaving of any number of processes can come between the check and the change
 * (https://www.mongodb.com/docs/manual/core/write-operations-atomicity/).
 *
 * @param resetId id of the ledger entry, should a period begin
 */
export function postingStatement(posting: Posting, resetId: Types.ObjectId, now: Date, guard?: KeyGuard): Changes[] {
  const admitted = { $and: [slotIsFree(slotOf(posting)), ...keysAreKnown(guard), ...creditsAllow(posting)] };
  return [
    mergeIf({ $gte: [now, '$quotaResetDate'] }, beginPeriod(resetId, now)),
    mergeIf(admitted, apply(posting, now)),
  ];
}

function mergeIf(condition: Expression, changes: Expression): Changes {
  return { $replaceWith: { $mergeObjects: ['$$ROOT', { $cond: [condition, changes, {}] }] } };
}

/** Credits that the tier alone allows. */
const TIER_QUOTA: Expression = {
  $switch: {
    branches: SUBSCRIPTION_TIERS.map((tier) => ({
      case: { $eq: ['$subscriptionTier', tier] },
      // biome-ignore lint/suspicious/noThenProperty: the word that $switch takes
      then: SUBSCRIPTION_QUOTAS[tier],
    })),
  },
};

const LIMIT: Expression = { $add: [TIER_QUOTA, '$grantedCredits'] };

/** What remains when `usage` of `limit` is used; a downgrade may leave the usage above the limit. */
const balance = (limit: Expression, usage: Expression): Expression => ({ $max: [0, { $subtract: [limit, usage] }] });

/**
 * The period around `now`, however many have passed since the last one. Months count from the anchor: the form of
 * `periodAt` that runs inside the database.
 */
function beginPeriod(resetId: Types.ObjectId, now: Date): Expression {
  const monthsOn = (months: Expression) => ({ $dateAdd: { startDate: '$quotaAnchor', unit: 'month', amount: months } });
  return letting(
    { months: { $dateDiff: { startDate: '$quotaAnchor', endDate: now, unit: 'month' } } },
    letting(
      { candidate: monthsOn('$$months') },
      {
        ...emptyPeriod({ id: resetId, kind: 'reset' }, now),
        periodStart: {
          $cond: [{ $lte: ['$$candidate', now] }, '$$candidate', monthsOn({ $subtract: ['$$months', 1] })],
        },
        quotaResetDate: { $cond: [{ $lte: ['$$candidate', now] }, monthsOn({ $add: ['$$months', 1] }), '$$candidate'] },
      },
    ),
  );
}

const letting = (vars: Changes, result: Expression): Expression => ({ $let: { vars, in: result } });

/** Usage and grants end with their period; the tier's whole quota remains. */
function emptyPeriod(reset: Posting & { kind: 'reset' }, now: Date): Changes {
  const period = { $add: ['$periodNumber', 1] };
  return {
    monthlyUsage: 0,
    grantedCredits: 0,
    periodNumber: period,
    periodStart: now,
    ...appendEntry(reset, now, { credits: TIER_QUOTA, balance: TIER_QUOTA, period }),
  };
}

function apply(posting: Posting, now: Date): Changes {
  const usage = '$monthlyUsage';
  const period = '$periodNumber';
  switch (posting.kind) {
    case 'charge': {
      const after = { $add: [usage, posting.credits] };
      // Without a generation there is no delivery to count, so the credits themselves are counted.
      const counted = posting.generationId ? 0 : posting.credits;
      return {
        monthlyUsage: after,
        totalImagesGenerated: { $add: ['$totalImagesGenerated', counted] },
        ...appendEntry(posting, now, { balance: balance(LIMIT, after), period }),
      };
    }
    case 'refund': {
      const after = { $subtract: [usage, { $cond: [{ $eq: [period, posting.period] }, posting.credits, 0] }] };
      return { monthlyUsage: after, ...appendEntry(posting, now, { balance: balance(LIMIT, after) }) };
    }
    case 'grant': {
      const limit = { $add: [LIMIT, posting.credits] };
      return {
        grantedCredits: { $add: ['$grantedCredits', posting.credits] },
        ...appendEntry(posting, now, { balance: balance(limit, usage), period }),
      };
    }
    case 'reset':
      return emptyPeriod(posting, now);
    case 'delivery':
      return {
        totalImagesGenerated: { $add: ['$totalImagesGenerated', posting.credits] },
        ...openEntry(posting, now, { balance: balance(LIMIT, usage), period }),
      };
  }
}

/** An open entry that takes the next place in the ledger. */
function appendEntry(posting: Posting, now: Date, computed: Changes): Changes {
  const sequence = { $add: ['$entrySequence', 1] };
  return { entrySequence: sequence, ...openEntry(posting, now, { sequence, ...computed }) };
}

function openEntry(posting: Posting, now: Date, computed: Changes): Changes {
  // What comes from outside is literal: a prompt that begins with a dollar sign is no expression.
  const entry = { $mergeObjects: [{ $literal: { ...posting, at: now } }, computed] };
  return {
    openEntries: { $mergeObjects: ['$openEntries', { [slotOf(posting)]: entry }] },
    sweepAt: { $min: ['$sweepAt', now] },
    updatedAt: now,
  };
}

function slotIsFree(slot: string): Expression {
  return { $eq: [{ $type: `$openEntries.${slot}` }, 'missing'] };
}

function keysAreKnown(guard: KeyGuard | undefined): Expression[] {
  if (!guard) return [];
  return 'forgottenBefore' in guard
    ? [{ $lt: ['$forgottenThrough', guard.forgottenBefore] }]
    : [{ $eq: ['$forgottenThrough', guard.forgottenThrough] }];
}

/** Only a charge can be refused for its credits, and a deleted user can only be given back what is owed. */
function creditsAllow(posting: Posting): Expression[] {
  if (posting.kind !== 'charge') return [];
  return [{ $eq: ['$isDeleted', false] }, { $lte: [{ $add: ['$monthlyUsage', posting.credits] }, LIMIT] }];
}
