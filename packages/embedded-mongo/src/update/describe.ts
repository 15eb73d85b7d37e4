import { identical } from '../bson/identical.ts';
import { arrayIndex } from '../bson/path.ts';
import { Doc, type Value } from '../bson/values.ts';
import type { Describe, FieldChanges, Path } from '../storage/recorder.ts';
import { UpdateNode } from './tree.ts';

/** Which operator changes which path: all that is needed to describe a change. The history keeps it for each update. */
type Shape = UpdateNode;

const known = new Map<string, Describe>();
const MOST_KNOWN = 500;
const LONGEST_SIGNATURE = 1000;

/**
 * Describes the changes of an update. Updates with the same operators on the same paths share one description, so that
 * the history holds on to neither their operands nor their trees.
 */
export function describing(root: UpdateNode, update: Doc): Describe {
  const signature = signatureOf(update);
  const same = known.get(signature);
  if (same !== undefined) return same;
  const shape = shapeOf(root);
  const describe: Describe = (before, after) => describeChanges(shape, before, after);
  if (signature.length <= LONGEST_SIGNATURE) {
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(signature, describe);
  }
  return describe;
}

/** Nothing but the end of a name is a zero character. */
function signatureOf(update: Doc): string {
  let signature = '';
  for (let i = 0; i < update.size; i++) {
    const changes = update.values[i];
    signature += `${update.keys[i]}\0`;
    if (!(changes instanceof Doc)) continue;
    for (let k = 0; k < changes.size; k++) {
      const target = update.keys[i] === '$rename' ? changes.values[k] : '';
      signature += `${changes.keys[k]}\0${typeof target === 'string' ? target : ''}\0`;
    }
    signature += '\0';
  }
  return signature;
}

function shapeOf(node: UpdateNode): Shape {
  const shape = new UpdateNode();
  const { modification } = node;
  if (modification !== undefined) {
    const { operator, creates } = modification;
    shape.modification = { operator, creates, apply: (existing) => existing };
  }
  for (const [name, child] of node.children) shape.add(name, shapeOf(child));
  return shape;
}

/**
 * What the operators of an update changed: each the whole value at its path (manual: reference/change-events/update).
 * A path that did not exist is reported where its first new field is, and elements added at an array's end one by one.
 */
function describeChanges(root: Shape, before: Doc, after: Doc): FieldChanges {
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
