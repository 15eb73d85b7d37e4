import { compare } from '../bson/compare.ts';
import type { Doc, Value } from '../bson/values.ts';
import { encodeValue } from '../indexes/key.ts';

/** How values compare in one command: BSON's order, in which a collation may say how strings compare. */
export interface Ordering {
  /** Tells orderings apart; the empty string is binary comparison. */
  readonly id: string;
  /** The collation in full, as `listIndexes` shows it. */
  readonly specification: Doc | undefined;
  compare(a: Value | undefined, b: Value | undefined): number;
  equals(a: Value | undefined, b: Value | undefined): boolean;
  /** A string with the same order and equality: for keys of indexes, groups and sets. */
  encode(value: Value | undefined): string;
}

/** `{locale: 'simple'}`: strings compare by their bytes. */
export const BINARY: Ordering = {
  id: '',
  specification: undefined,
  compare: (a, b) => compare(a, b),
  equals: (a, b) => a === b || compare(a, b) === 0,
  encode: (value) => encodeValue(value),
};
