import { placeBehind } from '../../domain/ledger.ts';
import type { OpenEntry } from '../User.ts';

/** An open entry that tells its place in the ledger and its balance, if it has them. */
export type PlacedEntry = Omit<OpenEntry, 'found'>;

export function placed({ found, ...entry }: OpenEntry): PlacedEntry {
  return found ? { ...entry, ...placeBehind(found, entry.credits) } : entry;
}
