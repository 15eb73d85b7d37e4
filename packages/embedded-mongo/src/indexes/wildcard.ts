import { Doc, MIN_KEY, UNDEFINED, type Value } from '../bson/values.ts';
import type { Ordering } from '../collation/ordering.ts';
import { encodeString, invert } from './key.ts';
import { type GeneratedKeys, generateKeys, type KeyField } from './key-generator.ts';
import { reachOf, type WildcardScope } from './wildcard-spec.ts';

/**
 * The keys of a document in a wildcard index: each value at the end of a path, with the path before it (manual:
 * core/indexes/index-types/index-wildcard). Positions in arrays are no part of a path. An array within an array and an
 * empty document are values.
 */
export function wildcardKeys(
  doc: Doc,
  scope: WildcardScope,
  fields: readonly KeyField[],
  ordering: Ordering,
  arrayPaths: Set<string>,
): GeneratedKeys {
  const descending = fields[scope.at]?.descending === true;
  const own = pathKeys(doc, scope, ordering, descending, arrayPaths);
  if (fields.length === 1) return { keys: own, anyField: own.length > 0, arrays: [0], unreadable: [true] };
  // In a compound index every document has a key, so that the fields before the wildcard find it.
  const middle = own.length > 0 ? own : [encodeString('') + ordering.encode(MIN_KEY)];
  const before = generateKeys(doc, fields.slice(0, scope.at), ordering);
  const after = generateKeys(doc, fields.slice(scope.at + 1), ordering);
  const keys = before.keys.flatMap((start) => middle.flatMap((path) => after.keys.map((rest) => start + path + rest)));
  const unreadable = fields.map(() => true);
  return { keys, anyField: true, arrays: [...before.arrays, 0, ...after.arrays], unreadable };
}

function pathKeys(
  doc: Doc,
  scope: WildcardScope,
  ordering: Ordering,
  descending: boolean,
  arrayPaths: Set<string>,
): string[] {
  const keys = new Set<string>();
  const add = (path: string, value: Value): void => {
    if (reachOf(scope, path) !== 'all') return;
    const encoded = ordering.encode(value);
    keys.add(encodeString(path) + (descending ? invert(encoded) : encoded));
  };
  const visit = (path: string, value: Value, inArray: boolean): void => {
    if (value instanceof Doc) {
      if (value.size === 0) add(path, value);
      else visitFields(path, value);
    } else if (Array.isArray(value) && !inArray) {
      if (reachOf(scope, path) !== 'none') arrayPaths.add(path);
      if (value.length === 0) add(path, UNDEFINED);
      for (const element of value) visit(path, element, true);
    } else {
      add(path, value);
    }
  };
  const visitFields = (prefix: string, inner: Doc): void => {
    for (const [name, value] of inner.entries()) {
      const path = prefix === '' ? name : `${prefix}.${name}`;
      // Such a name looks like another path: then that path may have several values in one document.
      if (name === '' || name.includes('.')) arrayPaths.add(path);
      if (reachOf(scope, path) !== 'none') visit(path, value, false);
    }
  };
  visitFields('', doc);
  return [...keys];
}
