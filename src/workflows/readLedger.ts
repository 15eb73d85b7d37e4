import type { Types } from 'mongoose';
import { errorFields } from '../config/log.ts';
import type { LedgerEntry } from '../models/LedgerEntry.ts';
import { listLedger } from '../repositories/ledger.ts';
import { LedgerConflictError, settle } from '../repositories/settlement.ts';
import type { Context } from './context.ts';

/**
 * A page of a user's ledger. A caller who has just spent something finds it there, whoever took it and however lately. The ledger of an
 * account that cannot be settled is shown as it is, and the log says so.
 */
export async function readLedger(
  ctx: Context,
  userId: Types.ObjectId,
  page: { limit: number; before?: number | undefined },
): Promise<LedgerEntry[]> {
  await settleIfPossible(ctx, userId);
  return listLedger(ctx, userId, page);
}

async function settleIfPossible(ctx: Context, userId: Types.ObjectId): Promise<void> {
  try {
    await settle(ctx, [userId]);
  } catch (error) {
    if (!(error instanceof LedgerConflictError)) throw error;
    ctx.log.error('a damaged account cannot be settled', { userId: userId.toHexString(), ...errorFields(error) });
  }
}
