import { Types } from 'mongoose';
import type { Actor } from '../domain/audit.ts';
import { assertCredits } from '../domain/credits.ts';
import { type Idempotency, keyReused } from '../domain/idempotency.ts';
import { usersOf } from '../models/collections.ts';
import { type Account, type Outcome, post, postOnce, type UserReference } from '../models/statements/accounts.ts';
import { rolloverStatement } from '../models/statements/posting/periods.ts';
import type { Comeback } from '../models/statements/posting/posting.ts';
import type { Store } from '../models/store.ts';
import { findChargeByKey } from './ledger.ts';

/** What operators do to accounts: each one is one atomic write that carries its line of the audit trail. */

/** Begins a new month of credits at once; the reset date stays as it is. */
export async function resetQuota(store: Store, user: UserReference, actor: Actor): Promise<Account> {
  const act = { action: 'quota.reset', actor } as const;
  return (await post(store, user, { id: new Types.ObjectId(), kind: 'reset', act })).account;
}

/**
 * Adds credits to the running period; the next reset ends them. Under one key they are added once for ever.
 *
 * @returns whether the key had granted them before
 * @throws {ValidationFailedError} unless `credits` is a whole number that may be moved
 * @throws {ArtifexError} `idempotency_key_reused` when the key came with another request
 */
export async function grantCredits(
  store: Store,
  user: UserReference,
  { credits, reason }: { credits: number; reason: string },
  actor: Actor,
  idempotency?: Idempotency,
): Promise<{ repeated: boolean }> {
  assertCredits(credits);
  const act = { action: 'quota.granted', actor, detail: { credits, reason } } as const;
  const grant = { id: new Types.ObjectId(), kind: 'grant', credits, reason, act } as const;
  if (!idempotency) {
    await post(store, user, grant);
    return { repeated: false };
  }
  const { key } = idempotency;
  const outcome = await postOnce(store, user, { ...grant, ...idempotency }, () => findChargeByKey(store, key));
  if (outcome.result === 'posted') return { repeated: false };
  const earlier =
    outcome.result === 'known' ? outcome.known : outcome.result === 'repeated' ? outcome.entry : undefined;
  if (earlier?.fingerprint !== idempotency.fingerprint) throw keyReused();
  return { repeated: true };
}

/**
 * Deletes the account softly; `refused` when it is deleted already. What it owes and is owed is still settled, and what waits to be
 * generated for it is cancelled by its settlement.
 */
export async function deleteUser(
  store: Store,
  user: UserReference,
  actor: Actor,
  identity?: { version: number },
): Promise<Outcome> {
  const act = { action: 'user.deleted', actor } as const;
  return post(store, user, { id: new Types.ObjectId(), kind: 'deletion', act, ...(identity && { identity }) });
}

/**
 * Restores a deleted account with the quota that it had; `refused` when it is not deleted, or not as it was read. One that was erased is
 * restored by a comeback alone, and then belongs to whoever came.
 */
export async function restoreUser(
  store: Store,
  user: UserReference,
  actor: Actor,
  comeback?: Comeback,
): Promise<Outcome> {
  const act = { action: 'user.restored', actor } as const;
  return post(store, user, { id: new Types.ObjectId(), kind: 'restoration', act, ...(comeback && { comeback }) });
}

const RESET_BATCH = 500;

export interface ResetOptions {
  /** Ends the run after the batch under way. */
  signal?: AbortSignal | undefined;
  /** Told how many have been reset so far. */
  onProgress?: ((usersReset: number) => void) | undefined;
}

/**
 * Begins the period of every account whose reset date has passed; that of a deleted one waits for its restoration. Each begins once, whoever comes first: this run, another one
 * or a charge. May be cut off anywhere; the next run goes on.
 *
 * @returns how many accounts this run has reset
 */
export async function resetDueQuotas(store: Store, { signal, onProgress }: ResetOptions = {}): Promise<number> {
  let usersReset = 0;
  while (!signal?.aborted) {
    const now = store.clock.now();
    const due = { isDeleted: false, quotaResetDate: { $lte: now } };
    const batch = await usersOf(store)
      .find(due, { projection: { _id: 1 } })
      .sort({ quotaResetDate: 1 })
      .limit(RESET_BATCH)
      .toArray();
    if (batch.length === 0) break;
    const begin = (_id: Types.ObjectId) => ({
      updateOne: {
        filter: { _id, ...due },
        update: rolloverStatement({ id: new Types.ObjectId(), kind: 'reset' }, now),
      },
    });
    const { modifiedCount } = await usersOf(store).bulkWrite(
      batch.map(({ _id }) => begin(_id)),
      { ordered: false },
    );
    usersReset += modifiedCount;
    onProgress?.(usersReset);
  }
  return usersReset;
}
