import type { Types } from 'mongoose';
import type { Period } from '../../../domain/periods.ts';
import type { SubscriptionTier } from '../../../domain/tiers.ts';
import type { OpenEntry } from '../../User.ts';

/** What is to be posted; sequence and balance follow from the account itself, and so does every period but a refund's. */
export type Posting = Pick<OpenEntry, 'id' | 'reason' | 'act'> &
  (
    | (Pick<OpenEntry, 'key' | 'fingerprint' | 'generationId' | 'generation'> & { kind: 'charge'; credits: number })
    | { kind: 'refund'; credits: number; period: number; chargeId: Types.ObjectId; generationId?: Types.ObjectId }
    | (Pick<OpenEntry, 'key' | 'fingerprint'> & { kind: 'grant'; credits: number })
    /** `ifPeriod`: only while that is the number of the account's period, so that nobody resets a month that they have not seen. */
    | { kind: 'reset'; ifPeriod?: number | undefined }
    | { kind: 'delivery'; credits: number; generationId: Types.ObjectId }
    | ({ kind: 'terms' } & Terms)
    | { kind: 'deletion'; identity?: { version: number } }
    | { kind: 'restoration'; comeback?: Comeback }
    /** What tells who the user was goes; `pseudonym` takes the place of `clerkUserId`, of which `identityHashes` alone stay. */
    | { kind: 'erasure'; clerkUserId: string; pseudonym: string; identityHashes: readonly string[] }
  );

export type ChargePosting = Posting & { kind: 'charge' };
/** Who the user is by Clerk's word, which newer words replace and older ones never do. */
export interface Identity {
  version: number;
  email: string;
  name: string;
}

/** Somebody who comes back to a deleted account, also to one that was erased, which then is theirs again. */
export interface Comeback extends Identity {
  clerkUserId: string;
  identityHashes: readonly string[];
  /** What was known of the account when it was decided that they may: from any other state it is not restored. */
  asRead: { identityVersion: number; erasedAt: Date | null };
}

/** What the account is entitled to from now on. */
export interface Terms {
  tier: SubscriptionTier;
  /** The period that is paid for; null: months count from sign-up again; undefined: the dates stay as they are. */
  paidPeriod?: Period | null | undefined;
  /** Of the subscriptions that say so. Terms that are not newer than what the account has followed are refused. */
  version?: TermsVersion | undefined;
}

/**
 * Orders what a user's subscriptions have said together. Every write of one counts its revision up, so that whoever has seen
 * more of them has the higher sum, whichever subscription it was.
 */
export interface TermsVersion {
  sum: number;
  /** Which subscriptions were seen, and at which revision. */
  seen: string;
}

/**
 * Guards a posting against keys that left the account since the caller looked them up elsewhere. Either nothing that was
 * settled at this instant or later may have left, or what has left must be just what had left before the look-up.
 */
export type KeyGuard = { forgottenBefore: Date } | { forgottenThrough: Date };

/** Where a posting stands in the account's open entries. Postings that must not happen twice have the same place. */
export function slotOf(posting: Posting): string {
  if ('key' in posting && posting.key !== undefined) return `k${posting.key}`;
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
