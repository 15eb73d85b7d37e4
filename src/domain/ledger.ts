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

/** How long a settled key stays with its account, in milliseconds: longer than any request may live. */
export const KEY_RETENTION_MS = 120_000;

/** By how much the clocks of two processes may differ, in milliseconds, before a key has to be looked up twice. */
export const CLOCK_TOLERANCE_MS = KEY_RETENTION_MS / 2;

/**
 * For how long what moves an account may be left out of the ledger when nobody waits for it there, in milliseconds: what follows on the same
 * account then shares its settlement.
 */
export const LEISURE_MS = 5_000;
