import type { Doc } from '../bson/values.ts';
import type { Index } from '../indexes/index.ts';
import type { GeneratedKeys } from '../indexes/key-generator.ts';
import { duplicateKey } from './duplicate-key.ts';

/** What the change of one document means for one index. */
export interface IndexChange {
  readonly index: Index;
  readonly before: GeneratedKeys | undefined;
  readonly after: GeneratedKeys | undefined;
}

/** Works out the keys that change, and refuses what a unique index forbids, before anything is changed. */
export function planChanges(
  namespace: string,
  indexes: readonly Index[],
  before: Doc | undefined,
  after: Doc,
  recordId: number,
): IndexChange[] {
  const changes: IndexChange[] = [];
  for (const index of indexes) {
    if (before !== undefined && !index.mayDiffer(before, after)) continue;
    const fresh = index.keysOf(after);
    if (fresh !== undefined) {
      const conflict = index.conflict(fresh, recordId);
      if (conflict !== undefined) throw duplicateKey(namespace, index, after, conflict.key);
    }
    changes.push({ index, before: before === undefined ? undefined : index.keysOf(before), after: fresh });
  }
  return changes;
}

export function applyChanges(changes: readonly IndexChange[], recordId: number): void {
  for (const { index, before, after } of changes) {
    if (before !== undefined) index.remove(before, recordId);
    if (after !== undefined) index.add(after, recordId);
  }
}

/** Puts a stored document into an index that is being built. */
export function addTo(namespace: string, index: Index, recordId: number, doc: Doc): void {
  const keys = index.keysOf(doc);
  if (keys === undefined) return;
  const conflict = index.conflict(keys, recordId);
  if (conflict !== undefined) throw duplicateKey(namespace, index, doc, conflict.key);
  index.add(keys, recordId);
}
