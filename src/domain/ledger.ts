import { SUBSCRIPTION_QUOTAS, type SubscriptionTier } from './tiers.ts';

/**
 * The ledger is the append-only list of everything that moved a user's credits. An entry's credits are always positive; its
 * kind tells the direction.
 */
export const LEDGER_KINDS = ['charge', 'refund', 'reset', 'grant'] as const;
export type LedgerKind = (typeof LEDGER_KINDS)[number];

/**
 * What may be posted to an account: the kinds of the ledger, and what moves no credits: a delivery counts finished images,
 * the others change the account itself.
 */
export type PostingKind = LedgerKind | 'delivery' | 'terms' | 'deletion' | 'restoration' | 'erasure';

export function isLedgerKind(kind: PostingKind): kind is LedgerKind {
  return LEDGER_KINDS.some((known) => known === kind);
}

/** What an account was when a charge was made. */
export interface Found {
  /** Of the newest entry before the charge. */
  sequence: number;
  used: number;
  tier: SubscriptionTier;
  granted: number;
}

/** The place in the ledger of a charge that such an account has admitted, and the credits that remained after it. */
export function placeBehind(found: Found, credits: number): { sequence: number; balance: number } {
  // A tier that is none was admitted with the least, too.
  const quota: number | undefined = SUBSCRIPTION_QUOTAS[found.tier];
  const limit = (quota ?? SUBSCRIPTION_QUOTAS.free) + found.granted;
  return { sequence: found.sequence + 1, balance: limit - found.used - credits };
}

/** How long a settled key stays with its account, in milliseconds: longer than any request may live. */
export const KEY_RETENTION_MS = 120_000;

/** By how much the clocks of two processes may differ, in milliseconds, before a key has to be looked up twice. */
export const CLOCK_TOLERANCE_MS = KEY_RETENTION_MS / 2;

/**
 * For how long what moves an account may be left out of the ledger when nobody waits for it there, in milliseconds: what follows on the same
 * account then shares its settlement.
 */
export const LEISURE_MS = 5_000;
