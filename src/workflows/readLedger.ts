import type { Types } from 'mongoose';
import type { LedgerEntry } from '../models/LedgerEntry.ts';
import { listLedger } from '../repositories/ledger.ts';
import { settle } from '../repositories/settlement.ts';
import type { Context } from './context.ts';

/** A page of a user's ledger. A caller who has just spent something finds it there, whoever took it and however lately. */
export async function readLedger(
  ctx: Context,
  userId: Types.ObjectId,
  page: { limit: number; before?: number | undefined },
): Promise<LedgerEntry[]> {
  await settle(ctx, [userId]);
  return listLedger(ctx, userId, page);
}
