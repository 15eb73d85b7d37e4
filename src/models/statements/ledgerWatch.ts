import type { LedgerEntry } from '../LedgerEntry.ts';
import type { Store } from '../store.ts';

export type LedgerListener = (entry: Pick<LedgerEntry, 'kind' | 'credits'>) => void;

const listeners = new WeakMap<object, Set<LedgerListener>>();
const connectionOf = ({ models: { User } }: Store): object => User.db;

/** From now on the listener is told of every entry that this connection adds to the ledger: of each by one process alone. */
export function onLedgerEntry(store: Store, listener: LedgerListener): void {
  const connection = connectionOf(store);
  listeners.set(connection, (listeners.get(connection) ?? new Set()).add(listener));
}

export function tellOfEntries(store: Store, entries: readonly LedgerEntry[]): void {
  for (const tell of listeners.get(connectionOf(store)) ?? []) for (const entry of entries) tell(entry);
}
