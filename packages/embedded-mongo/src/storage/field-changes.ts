import { identical } from '../bson/identical.ts';
import { Doc, type Value } from '../bson/values.ts';
import type { FieldChanges, Path } from './recorder.ts';

/** What differs between two documents, field by field, as MongoDB reports it of updates by pipelines. */
export function differences(before: Doc, after: Doc): FieldChanges {
  const updated: [Path, Value][] = [];
  const removed: Path[] = [];
  const truncated: { path: Path; newSize: number }[] = [];
  compareDocs(before, after, []);
  return { updated, removed, truncated };

  function compareDocs(old: Doc, now: Doc, prefix: Path): void {
    for (const key of old.keys) if (!now.has(key)) removed.push([...prefix, key]);
    for (const [key, value] of now.entries()) compareValues(old.get(key), value, [...prefix, key]);
  }

  function compareValues(old: Value | undefined, now: Value, path: Path): void {
    if (old !== undefined && identical(old, now)) return;
    if (old instanceof Doc && now instanceof Doc) compareDocs(old, now, path);
    else if (Array.isArray(old) && Array.isArray(now) && old.length > 0 && now.length > 0)
      compareArrays(old, now, path);
    else updated.push([path, now]);
  }

  function compareArrays(old: Value[], now: Value[], path: Path): void {
    if (now.length < old.length) truncated.push({ path, newSize: now.length });
    for (const [at, value] of now.entries()) compareValues(old[at], value, [...path, at]);
  }
}
