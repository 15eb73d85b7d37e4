import { identical } from '../bson/identical.ts';
import { arrayIndex } from '../bson/path.ts';
import { Doc, type Value } from '../bson/values.ts';
import type { FieldChanges, Path } from '../storage/recorder.ts';
import type { UpdateNode } from './tree.ts';

/**
 * What the operators of an update changed: each the whole value at its path (manual: reference/change-events/update).
 * A path that did not exist is reported where its first new field is, and elements added at an array's end one by one.
 */
export function describeChanges(root: UpdateNode, before: Doc, after: Doc): FieldChanges {
  const updated: [Path, Value][] = [];
  const removed: Path[] = [];
  visit(root, before, after, []);
  return { updated, removed, truncated: [] };

  function visit(node: UpdateNode, old: Value | undefined, now: Value | undefined, path: Path): void {
    if (now === undefined) {
      if (old !== undefined) removed.push(path);
    } else if (old === undefined) updated.push([path, now]);
    else if (identical(old, now)) return;
    else if (node.modification !== undefined) {
      const added = node.modification.operator === '$push' ? addedAtEnd(old, now) : undefined;
      if (added === undefined) updated.push([path, now]);
      else for (const [at, value] of added) updated.push([[...path, at], value]);
    } else if (old instanceof Doc && now instanceof Doc) {
      for (const [name, child] of node.sorted()) visit(child, old.get(name), now.get(name), [...path, name]);
    } else if (Array.isArray(old) && Array.isArray(now)) visitArray(node, old, now, path);
    else updated.push([path, now]);
  }

  function visitArray(node: UpdateNode, old: Value[], now: Value[], path: Path): void {
    for (const [at, value] of now.entries()) {
      const previous = old[at];
      if (previous !== undefined && identical(previous, value)) continue;
      for (const [name, child] of node.sorted()) {
        if (name.startsWith('$') || arrayIndex(name) === at) visit(child, previous, value, [...path, at]);
      }
    }
  }
}

function addedAtEnd(old: Value, now: Value): [number, Value][] | undefined {
  if (!Array.isArray(old) || !Array.isArray(now) || old.length === 0 || now.length <= old.length) return undefined;
  if (old.some((value, at) => !identical(value, now[at] as Value))) return undefined;
  return [...now.entries()].slice(old.length);
}
