import type { Types } from 'mongoose';
import { ledgerOf } from '../models/collections.ts';
import type { LedgerEntry } from '../models/LedgerEntry.ts';
import type { Store } from '../models/store.ts';

/** The charge or grant that an idempotency key has made, once it is settled. */
export function findChargeByKey(store: Store, key: string): Promise<LedgerEntry | null> {
  return ledgerOf(store).findOne({ key });
}

/** A user's entries, newest first, older than the sequence `before`. */
export function listLedger(
  store: Store,
  userId: Types.ObjectId,
  page: { limit: number; before?: number | undefined },
): Promise<LedgerEntry[]> {
  const older = page.before === undefined ? {} : { sequence: { $lt: page.before } };
  return ledgerOf(store)
    .find({ userId, ...older })
    .sort({ sequence: -1 })
    .limit(page.limit)
    .toArray();
}
