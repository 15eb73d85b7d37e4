import { compareExact, Decimal, type Exact, exactOfDouble } from './decimal.ts';
import {
  Binary,
  BsonSymbol,
  Code,
  DateTime,
  DbPointer,
  Doc,
  Double,
  type Numeric,
  ObjectId,
  Regex,
  Singleton,
  Timestamp,
  type Value,
} from './values.ts';

/**
 * The brackets of the manual's "Comparison/Sort Order" (reference/bson-type-comparison-order): values of different
 * brackets are ordered by these numbers, and a query operator such as `$lt` matches only within one.
 */
export const Bracket = {
  MinKey: 1,
  Missing: 2,
  Undefined: 2,
  Null: 3,
  Number: 4,
  String: 5,
  Object: 6,
  Array: 7,
  Binary: 8,
  ObjectId: 9,
  Boolean: 10,
  Date: 11,
  Timestamp: 12,
  Regex: 13,
  DbPointer: 14,
  Code: 15,
  CodeWithScope: 16,
  MaxKey: 17,
} as const;

export function bracketOf(value: Value | undefined): number {
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return Bracket.Number;
    case 'string':
      return Bracket.String;
    case 'boolean':
      return Bracket.Boolean;
    case 'undefined':
      return Bracket.Missing;
  }
  if (value === null) return Bracket.Null;
  if (value instanceof Double) return Bracket.Number;
  if (value instanceof Doc) return Bracket.Object;
  if (Array.isArray(value)) return Bracket.Array;
  if (value instanceof ObjectId) return Bracket.ObjectId;
  if (value instanceof DateTime) return Bracket.Date;
  if (value instanceof Decimal) return Bracket.Number;
  if (value instanceof Binary) return Bracket.Binary;
  if (value instanceof Regex) return Bracket.Regex;
  if (value instanceof Timestamp) return Bracket.Timestamp;
  if (value instanceof BsonSymbol) return Bracket.String;
  if (value instanceof DbPointer) return Bracket.DbPointer;
  if (value instanceof Code) return value.scope === undefined ? Bracket.Code : Bracket.CodeWithScope;
  if (value instanceof Singleton && value.name !== 'undefined') {
    return value.name === 'minKey' ? Bracket.MinKey : Bracket.MaxKey;
  }
  return Bracket.Undefined;
}

/** How two strings compare: by their bytes, or by a collation. */
export type StringOrder = (a: string, b: string) => number;

/** BSON's total order. A missing value sorts below null. */
export function compare(a: Value | undefined, b: Value | undefined, strings: StringOrder = compareStrings): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return strings(a, b);
  const bracket = bracketOf(a);
  const difference = bracket - bracketOf(b);
  return difference !== 0 ? difference : compareWithin(bracket, a as Value, b as Value, strings);
}

export function equals(a: Value | undefined, b: Value | undefined): boolean {
  return a === b || compare(a, b) === 0;
}

function compareWithin(bracket: number, a: Value, b: Value, strings: StringOrder): number {
  switch (bracket) {
    case Bracket.Number:
      return compareNumbers(a as Numeric, b as Numeric);
    case Bracket.String:
      return strings(stringOf(a), stringOf(b));
    case Bracket.Object:
      return compareDocs(a as Doc, b as Doc, strings);
    case Bracket.Array:
      return compareArrays(a as Value[], b as Value[], strings);
    case Bracket.Binary:
      return compareBinaries(a as Binary, b as Binary);
    case Bracket.ObjectId:
      return order((a as ObjectId).bytes, (b as ObjectId).bytes);
    case Bracket.Boolean:
      return Number(a) - Number(b);
    case Bracket.Date:
      return (a as DateTime).ms - (b as DateTime).ms;
    case Bracket.Timestamp: {
      const x = a as Timestamp;
      const y = b as Timestamp;
      return x.seconds - y.seconds || x.increment - y.increment;
    }
    case Bracket.Regex: {
      const x = a as Regex;
      const y = b as Regex;
      return compareStrings(x.pattern, y.pattern) || compareStrings(x.options, y.options);
    }
    case Bracket.DbPointer: {
      const x = a as DbPointer;
      const y = b as DbPointer;
      return compareStrings(x.namespace, y.namespace) || order(x.id.bytes, y.id.bytes);
    }
    case Bracket.Code:
    case Bracket.CodeWithScope: {
      const x = a as Code;
      const y = b as Code;
      return compareStrings(x.code, y.code) || compareDocs(x.scope ?? Doc.EMPTY, y.scope ?? Doc.EMPTY, compareStrings);
    }
    default:
      return 0;
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function stringOf(value: Value): string {
  return value instanceof BsonSymbol ? value.value : (value as string);
}

/** MongoDB compares the UTF-8 bytes; UTF-16 units agree with that except where a surrogate meets U+E000 and above. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    return utf8Rank(x) - utf8Rank(y);
  }
  return a.length - b.length;
}

function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Numbers of different types compare by value; NaN is equal to itself and below every other number. */
export function compareNumbers(a: Numeric, b: Numeric): number {
  if (a instanceof Decimal || b instanceof Decimal) return compareDecimals(a, b);
  const x = a instanceof Double ? a.value : a;
  const y = b instanceof Double ? b.value : b;
  if (x < y) return -1;
  if (x > y) return 1;
  const xIsNaN = Number.isNaN(x);
  const yIsNaN = Number.isNaN(y);
  return xIsNaN === yIsNaN ? 0 : xIsNaN ? -1 : 1;
}

function compareDecimals(a: Numeric, b: Numeric): number {
  const x = exactOrSpecial(a);
  const y = exactOrSpecial(b);
  if (typeof x === 'object' && typeof y === 'object') return compareExact(x, y);
  return rankOfSpecial(x) - rankOfSpecial(y);
}

function rankOfSpecial(value: Exact | number): number {
  if (typeof value === 'object') return 0;
  if (Number.isNaN(value)) return -2;
  return value > 0 ? 1 : -1;
}

/** The exact value of a finite number; NaN or an infinity as the double it is. */
function exactOrSpecial(value: Numeric): Exact | number {
  if (typeof value === 'number') return { coefficient: BigInt(value), exponent: 0 };
  if (typeof value === 'bigint') return { coefficient: value, exponent: 0 };
  if (value instanceof Double) return Number.isFinite(value.value) ? exactOfDouble(value.value) : value.value;
  return value.special === undefined ? value : Number(value.special);
}

/** Field by field: first the bracket of the values, then the names, then the values. */
function compareDocs(a: Doc, b: Doc, strings: StringOrder): number {
  const length = Math.min(a.size, b.size);
  for (let i = 0; i < length; i++) {
    const x = a.values[i] as Value;
    const y = b.values[i] as Value;
    const bracket = bracketOf(x);
    const difference =
      bracket - bracketOf(y) ||
      compareStrings(a.keys[i] as string, b.keys[i] as string) ||
      compareWithin(bracket, x, y, strings);
    if (difference !== 0) return difference;
  }
  return a.size - b.size;
}

function compareArrays(a: Value[], b: Value[], strings: StringOrder): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = compare(a[i], b[i], strings);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function compareBinaries(a: Binary, b: Binary): number {
  return a.bytes.length - b.bytes.length || a.subtype - b.subtype || Buffer.compare(a.bytes, b.bytes);
}
