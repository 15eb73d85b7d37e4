import { Types } from 'mongoose';
import type { Period } from '../../domain/periods.ts';
import { SUBSCRIPTION_QUOTAS, SUBSCRIPTION_TIERS, type SubscriptionTier } from '../../domain/tiers.ts';
import type { OpenEntry } from '../User.ts';

/** What is to be posted; sequence and balance follow from the account itself, and so does every period but a refund's. */
export type Posting = Pick<OpenEntry, 'id' | 'reason' | 'act'> &
  (
    | (Pick<OpenEntry, 'key' | 'fingerprint' | 'generationId' | 'generation'> & { kind: 'charge'; credits: number })
    | { kind: 'refund'; credits: number; period: number; chargeId: Types.ObjectId; generationId?: Types.ObjectId }
    | { kind: 'grant'; credits: number }
    /** `ifPeriod`: only while that is the number of the account's period, so that nobody resets a month that they have not seen. */
    | { kind: 'reset'; ifPeriod?: number | undefined }
    | { kind: 'delivery'; credits: number; generationId: Types.ObjectId }
    | ({ kind: 'terms' } & Terms)
    | { kind: 'deletion' }
    | { kind: 'restoration' }
    /** What tells who the user was goes; `pseudonym` takes the place of Clerk's id. */
    | { kind: 'erasure'; pseudonym: string }
  );

/** What the account is entitled to from now on. */
export interface Terms {
  tier: SubscriptionTier;
  /** The period that is paid for; null: months count from sign-up again; undefined: the dates stay as they are. */
  paidPeriod?: Period | null | undefined;
  /** Of the subscription that says so. Terms that are not newer than what the account has followed are refused. */
  version?: TermsVersion | undefined;
}

/** Orders what a user's subscriptions have said: by the subscription's creation, then by its writes. */
export interface TermsVersion {
  created: Date;
  revision: number;
}

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
  if (posting.kind === 'charge' && isForExisting(posting)) return `g${posting.generationId.toHexString()}`;
  if (posting.kind === 'refund') return `r${posting.chargeId.toHexString()}`;
  if (posting.kind === 'delivery') return `d${posting.generationId.toHexString()}`;
  return `${ONCE_ONLY}${posting.id.toHexString()}`;
}

/** How the place of an entry begins that nobody can post again, so that nothing has to remember it. */
export const ONCE_ONLY = 'e';

/** A charge that carries no generation may be for one that was recorded before: that is paid once, whoever asks. */
function isForExisting<P extends Posting & { kind: 'charge' }>(
  charge: P,
): charge is P & { generationId: Types.ObjectId } {
  return charge.generationId !== undefined && charge.generation === undefined;
}

/**
 * The one statement that moves an account: it begins a new period when the reset date has passed, then applies the posting if
 * the account admits it, and records it among the open entries. An update pipeline sees one document in one state, so no
 * interleaving of any number of processes can come between the check and the change
 * (https://www.mongodb.com/docs/manual/core/write-operations-atomicity/).
 *
 * A reset that comes when a period is due begins that period, and finds its own place taken: it is not applied twice.
 *
 * @param resetId id of the ledger entry, should a period begin
 */
export function postingStatement(posting: Posting, resetId: Types.ObjectId, now: Date, guard?: KeyGuard): Changes[] {
  const admitted = { $and: [slotIsFree(slotOf(posting)), ...keysAreKnown(guard), ...accountAllows(posting)] };
  const due: Posting & { kind: 'reset' } = posting.kind === 'reset' ? posting : { id: resetId, kind: 'reset' };
  return [...rolloverStatement(due, now), mergeIf(admitted, apply(posting, now)), ...beginPaidPeriod(posting, now)];
}

/**
 * A paid period resets the quota when it begins: once, whether its news or the clock comes first. What the clock has begun at
 * the same instant is that period, and news of an earlier one is too late.
 */
function beginPaidPeriod(posting: Posting, now: Date): Changes[] {
  if (posting.kind !== 'terms' || !posting.paidPeriod) return [];
  const { start } = posting.paidPeriod;
  const follows = { $eq: [{ $type: `$openEntries.${slotOf(posting)}` }, 'object'] };
  const reset = emptyPeriod({ id: new Types.ObjectId(), kind: 'reset' }, now);
  return [mergeIf({ $and: [follows, { $gt: [start, '$periodStart'] }] }, { ...reset, periodStart: start })];
}

/**
 * A charge as it mostly is: of an account whose period runs and which admits it. It does what {@link postingStatement} would do, or
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

/** Begins a new period when the reset date has passed, and else changes nothing. */
export function rolloverStatement(reset: Posting & { kind: 'reset' }, now: Date): Changes[] {
  return [mergeIf({ $gte: [now, '$quotaResetDate'] }, beginPeriod(reset, now))];
}

function mergeIf(condition: Expression, changes: Expression): Changes {
  return { $replaceWith: { $mergeObjects: ['$$ROOT', { $cond: [condition, changes, {}] }] } };
}

/** The most worthy first: a tier that is none of these has the last place, and with it the least. */
const TIERS = SUBSCRIPTION_TIERS.toReversed();

/** Credits that the tier alone allows. In few words, since they go with every charge. */
const TIER_QUOTA: Expression = {
  $arrayElemAt: [TIERS.map((tier) => SUBSCRIPTION_QUOTAS[tier]), { $indexOfArray: [TIERS, '$subscriptionTier'] }],
};

const LIMIT: Expression = { $add: [TIER_QUOTA, '$grantedCredits'] };

/** What remains when `usage` of `limit` is used; a downgrade may leave the usage above the limit. */
const balance = (limit: Expression, usage: Expression): Expression => ({ $max: [0, { $subtract: [limit, usage] }] });

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
function monthAround(
  now: Date,
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

const letting = (vars: Changes, result: Expression): Changes => ({ $let: { vars, in: result } });

/** Usage and grants end with their period; the tier's whole quota remains. */
function emptyPeriod(reset: Posting & { kind: 'reset' }, now: Date): Changes {
  const period = { $add: ['$periodNumber', 1] };
  return {
    monthlyUsage: 0,
    grantedCredits: 0,
    quotaAlert: 0,
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
    case 'terms':
      return followTerms(posting, now);
    case 'deletion':
      return { isDeleted: true, deletedAt: now, ...openEntry(posting, now, { period }) };
    case 'restoration':
      return { isDeleted: false, deletedAt: null, ...openEntry(posting, now, { period }) };
    case 'erasure':
      return {
        clerkUserId: posting.pseudonym,
        email: '',
        name: '',
        preferences: {},
        isDeleted: true,
        deletedAt: { $ifNull: ['$deletedAt', now] },
        ...openEntry(posting, now, { period }),
      };
  }
}

function followTerms(posting: Posting & { kind: 'terms' }, now: Date): Changes {
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
    return monthAround(now, '$quotaAnchor', ({ end }) => ({
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

/** An open entry that takes the next place in the ledger. */
function appendEntry(posting: Posting, now: Date, computed: Changes): Changes {
  const sequence = { $add: ['$entrySequence', 1] };
  return { entrySequence: sequence, ...openEntry(posting, now, { sequence, ...computed }) };
}

function openEntry(posting: Posting, now: Date, computed: Changes): Changes {
  // What comes from outside is literal: a prompt that begins with a dollar sign is no expression.
  const entry = { $mergeObjects: [{ $literal: { ...storedFields(posting), at: now } }, computed] };
  return {
    openEntries: { $mergeObjects: ['$openEntries', { [slotOf(posting)]: entry }] },
    sweepAt: { $min: ['$sweepAt', now] },
    updatedAt: now,
  };
}

/** An entry keeps what is to be recorded elsewhere, and not what only this statement reads. */
function storedFields(posting: Posting): Pick<Posting, 'id' | 'kind'> {
  switch (posting.kind) {
    case 'reset': {
      const { ifPeriod: _, ...fields } = posting;
      return fields;
    }
    case 'erasure': {
      const { pseudonym: _, ...fields } = posting;
      return fields;
    }
    case 'terms': {
      // The act is computed: terms that change no tier leave no line in the audit trail.
      const { tier: _, paidPeriod: __, version: ___, act: ____, ...fields } = posting;
      return fields;
    }
    default:
      return posting;
  }
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

/**
 * Only a charge can be refused for its credits, and a deleted user can only be given back what is owed. What is so already is
 * not done again.
 */
function accountAllows(posting: Posting): Expression[] {
  switch (posting.kind) {
    case 'charge':
      return [{ $eq: ['$isDeleted', false] }, { $lte: [{ $add: ['$monthlyUsage', posting.credits] }, LIMIT] }];
    case 'reset':
      return posting.ifPeriod === undefined ? [] : [{ $eq: ['$periodNumber', posting.ifPeriod] }];
    case 'terms':
      return [areNews(posting)];
    case 'deletion':
      return [{ $eq: ['$isDeleted', false] }];
    case 'restoration':
      return [{ $eq: ['$isDeleted', true] }];
    case 'erasure':
      return [{ $ne: ['$clerkUserId', posting.pseudonym] }];
    default:
      return [];
  }
}

/** Terms with a version are news when no newer ones have been followed; others, when they change the tier. */
function areNews({ tier, version }: Terms): Expression {
  if (!version) return { $ne: ['$subscriptionTier', tier] };
  const { created, revision } = version;
  const sameSubscription = { $eq: ['$followed.created', created] };
  return {
    $or: [
      { $gt: [created, '$followed.created'] },
      { $and: [sameSubscription, { $gt: [revision, '$followed.revision'] }] },
    ],
  };
}
