import { InsufficientQuotaError } from '../domain/errors.ts';
import { type Idempotency, keyReused } from '../domain/idempotency.ts';
import { quotaOf, quotaOfPeriod } from '../domain/quota.ts';
import type { LedgerEntry } from '../models/LedgerEntry.ts';
import {
  type ChargedAccount,
  type Outcome,
  post,
  postOnce,
  type UserReference,
} from '../models/statements/accounts.ts';
import type { ChargePosting } from '../models/statements/posting/posting.ts';
import { tellIfReached } from '../models/statements/quotaAlerts.ts';
import { findChargeByKey } from '../repositories/ledger.ts';
import type { Context } from './context.ts';

/** The charge was made now, had been made and is still open, or had been made and stands in the ledger. */
export type Charged = Extract<Outcome, { result: 'posted' | 'repeated' }> | { result: 'known'; known: LedgerEntry };

/**
 * Takes the credits: once for ever under one idempotency key, once per call without one.
 *
 * @throws {InsufficientQuotaError}
 * @throws {ArtifexError} `idempotency_key_reused` when the key came with another request, `account_deleted`
 * @throws {UserNotFoundError}
 */
export async function charge(
  ctx: Context,
  user: UserReference,
  posting: ChargePosting,
  idempotency: Idempotency | undefined,
): Promise<Charged> {
  const outcome = idempotency
    ? await postOnce(ctx, user, { ...posting, ...idempotency }, () => findChargeByKey(ctx, idempotency.key))
    : await post(ctx, user, posting);
  if (outcome.result === 'refused' || outcome.result === 'stale') {
    throw new InsufficientQuotaError(quotaOf(outcome.account, ctx.clock.now()));
  }
  if (outcome.result === 'posted') await tellIfReached(ctx, outcome.account);
  const { fingerprint } = outcome.result === 'known' ? outcome.known : outcome.entry;
  if (fingerprint !== idempotency?.fingerprint) throw keyReused();
  return outcome;
}

/**
 * Takes the credits, at every call. Others who are charged at the same time may share its commands.
 *
 * @returns the account as it was right after, or a moment later
 * @throws {InsufficientQuotaError}
 * @throws {ArtifexError} `account_deleted`
 * @throws {UserNotFoundError}
 */
export async function chargeAnew(ctx: Context, user: UserReference, posting: ChargePosting): Promise<ChargedAccount> {
  const { result, account } = await ctx.charging.take(user, posting);
  if (result === 'refused') throw new InsufficientQuotaError(quotaOfPeriod(account));
  await tellIfReached(ctx, account);
  return account;
}
