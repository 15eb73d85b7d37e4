import { equals } from '../bson/compare.ts';
import { splitPath } from '../bson/path.ts';
import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import type { MatchNode } from '../query/node.ts';

/** The document an upsert starts from: the fields that the query asks to be equal to something. */
export function documentFromQuery(root: MatchNode, onlyId: boolean): Doc {
  const found = new Map<string, Value>();
  collect(root, found);
  let doc = Doc.EMPTY;
  for (const [path, value] of found) {
    if (onlyId && path !== '_id') continue;
    doc = setPath(doc, splitPath(path), 0, value) as Doc;
  }
  return doc;
}

function collect(node: MatchNode, found: Map<string, Value>): void {
  if (node.kind === 'and') {
    for (const child of node.children) collect(child, found);
    return;
  }
  if (node.kind !== 'leaf') return;
  const isOne = node.operator === 'in' && (node.operand as Value[]).length === 1 && (node.regexes?.length ?? 0) === 0;
  if (node.operator !== 'eq' && !isOne) return;
  const value = isOne ? ((node.operand as Value[])[0] as Value) : node.operand;
  for (const path of found.keys()) {
    const overlaps = path === node.path || path.startsWith(`${node.path}.`) || node.path.startsWith(`${path}.`);
    if (!overlaps) continue;
    if (path === node.path && equals(found.get(path), value)) return;
    throw new MongoError(54, `cannot infer query fields to set, path '${path}' is matched twice`);
  }
  found.set(node.path, value);
}

function setPath(container: Value | undefined, parts: readonly string[], depth: number, value: Value): Value {
  if (depth === parts.length) return value;
  const part = parts[depth] as string;
  const doc = container instanceof Doc ? container : Doc.EMPTY;
  return doc.with(part, setPath(doc.get(part), parts, depth + 1, value));
}
