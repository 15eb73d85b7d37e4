import { createHash } from 'node:crypto';
import { arrayIndex, splitPath } from '../bson/path.ts';
import { Doc, UNDEFINED, type Value } from '../bson/values.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import { MongoError } from '../errors.ts';
import { invert } from './key.ts';
import { isReadable } from './key-reader.ts';

/** One field of an index key, with its path split. */
export interface KeyField {
  readonly path: string;
  readonly parts: readonly string[];
  readonly descending: boolean;
  /** Its values are found by their hash only. */
  readonly hashed: boolean;
  /** It is the place of a geo index. */
  readonly geo: boolean;
}

export function keyFields(pattern: Doc): KeyField[] {
  return pattern.keys.map((path, i) => ({
    path,
    parts: splitPath(path),
    descending: isNegative(pattern.values[i]),
    hashed: pattern.values[i] === 'hashed',
    geo: pattern.values[i] === '2d' || pattern.values[i] === '2dsphere',
  }));
}

function isNegative(direction: Value | undefined): boolean {
  if (typeof direction === 'number' || typeof direction === 'bigint') return direction < 0;
  return direction instanceof Object && 'value' in direction && Number(direction.value) < 0;
}

/** The keys that a document has in an index, and what was met on the way to them. */
export interface GeneratedKeys {
  readonly keys: string[];
  /** False when no indexed field exists in the document: a sparse index leaves such a document out. */
  readonly anyField: boolean;
  /** Per field, at which depths of its path an array was met (bit set); what makes an index multikey. */
  readonly arrays: number[];
  /** Per field, whether its value cannot be told from the key: see {@link isReadable}. */
  readonly unreadable: boolean[];
}

/** Where one field's path has got to. */
interface Cursor {
  readonly value: Value | undefined;
  readonly depth: number;
}

/**
 * Generates the index keys of a document (manual: core/indexes/index-types/index-multikey). Fields whose paths run
 * through the same array take their values from the same element; two different arrays in one key are refused.
 */
export function generateKeys(doc: Doc, fields: readonly KeyField[], ordering: Ordering = BINARY): GeneratedKeys {
  const arrays = fields.map(() => 0);
  const unreadable = fields.map(() => false);
  const state = { anyField: false, arrays, unreadable, keys: new Set<string>(), ordering };
  expand(
    fields.map(() => ({ value: doc, depth: 0 })),
    fields,
    state,
  );
  return { keys: [...state.keys], anyField: state.anyField, arrays, unreadable };
}

interface State {
  anyField: boolean;
  readonly arrays: number[];
  readonly unreadable: boolean[];
  readonly keys: Set<string>;
  readonly ordering: Ordering;
}

/** Marks a cursor whose value is final although it is an array (an element of an array that was spread). */
const SPREAD = -1;

function expand(cursors: Cursor[], fields: readonly KeyField[], state: State): void {
  let array: Value[] | undefined;
  const advanced = cursors.map((cursor, i) => advance(cursor, (fields[i] as KeyField).parts));
  for (let i = 0; i < advanced.length; i++) {
    const { value, depth } = advanced[i] as Cursor;
    if (depth === SPREAD || !Array.isArray(value)) continue;
    if (fields[i]?.hashed === true) throw arrayInHashed(fields[i] as KeyField);
    if (array !== undefined && array !== value) {
      const names = fields.filter((_, k) => Array.isArray(advanced[k]?.value)).map((field) => `[${field.path}]`);
      throw new MongoError(171, `cannot index parallel arrays ${names.join(' ')}`);
    }
    array = value;
    state.arrays[i] = (state.arrays[i] as number) | (1 << depth);
  }
  if (array === undefined) {
    state.keys.add(joinKey(advanced, fields, state));
    return;
  }
  const spread = array;
  const count = Math.max(spread.length, 1);
  for (let k = 0; k < count; k++) {
    const next = advanced.map((cursor, i) => {
      if (cursor.value !== spread || cursor.depth === SPREAD) return cursor;
      return intoElement(spread, k, cursor.depth, (fields[i] as KeyField).parts);
    });
    expand(next, fields, state);
  }
}

/** Follows the path through embedded documents, up to its end or to an array. */
function advance(cursor: Cursor, parts: readonly string[]): Cursor {
  let { value, depth } = cursor;
  if (depth === SPREAD) return cursor;
  while (depth < parts.length && !Array.isArray(value)) {
    value = value instanceof Doc ? value.get(parts[depth] as string) : undefined;
    depth += 1;
    if (value === undefined) return { value, depth: SPREAD };
  }
  return { value, depth };
}

function intoElement(array: Value[], k: number, depth: number, parts: readonly string[]): Cursor {
  if (depth === parts.length) {
    // An empty array is indexed as `undefined`, which no other value but a stored undefined shares.
    return { value: array.length === 0 ? UNDEFINED : array[k], depth: SPREAD };
  }
  const position = arrayIndex(parts[depth] as string);
  if (position >= 0 && position < array.length) {
    return advance({ value: array[position], depth: depth + 1 }, parts);
  }
  const element = array[k];
  return element instanceof Doc ? { value: element, depth } : { value: undefined, depth: SPREAD };
}

function joinKey(cursors: Cursor[], fields: readonly KeyField[], state: State): string {
  let key = '';
  for (let i = 0; i < fields.length; i++) {
    const value = cursors[i]?.value;
    if (value !== undefined) state.anyField = true;
    if (!isReadable(value)) state.unreadable[i] = true;
    // A missing field is indexed as null.
    const encoded = state.ordering.encode(value === undefined ? null : value);
    if (fields[i]?.hashed === true) key += hashKey(encoded);
    else key += fields[i]?.descending === true ? invert(encoded) : encoded;
  }
  return key;
}

/** Manual: core/indexes/index-types/index-hashed, "Limitations". */
function arrayInHashed(field: KeyField): MongoError {
  return new MongoError(
    16766,
    `hashed indexes do not currently support array values. Found array at path: ${field.path}`,
  );
}

/** Of fixed length, so that hashes can be parts of compound keys. Not MongoDB's own function: nobody sees it. */
export function hashKey(encoded: string): string {
  return createHash('md5').update(encoded, 'utf16le').digest('base64').slice(0, 16);
}
