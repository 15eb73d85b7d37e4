import { Bracket, bracketOf } from '../bson/compare.ts';
import { isNumeric, MAX_KEY, MIN_KEY, type Regex, toDouble, UNDEFINED, type Value } from '../bson/values.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import { bracketEnd, bracketStart, encodeStringPrefix, invert } from '../indexes/key.ts';
import { hashKey } from '../indexes/key-generator.ts';
import type { LeafNode } from '../query/node.ts';
import { literalPrefix } from '../query/regex.ts';

/** The encoded values from `from` up to, but without, `to`. A point holds the encodings of one value only. */
export interface Interval {
  readonly from: string;
  readonly to: string;
  readonly point: boolean;
}

/** Above every encoding, also above inverted ones. */
export const TOP = '\uffff';
export const EVERYTHING: readonly Interval[] = [{ from: '', to: TOP, point: false }];

/** The smallest string above all that begin with `prefix`. */
export function successor(prefix: string): string {
  let end = prefix.length;
  while (end > 0 && prefix.charCodeAt(end - 1) === 0xffff) end--;
  if (end === 0) return TOP;
  return prefix.slice(0, end - 1) + String.fromCharCode(prefix.charCodeAt(end - 1) + 1);
}

export function pointOf(value: Value, ordering: Ordering): Interval {
  const from = ordering.encode(value);
  return { from, to: successor(from), point: true };
}

/**
 * The intervals in which the keys of every document that satisfies the condition lie, or `undefined` when it does
 * not bound them. They may hold more: what an index delivers is always matched once more.
 */
export function boundsOf(leaf: LeafNode, ordering: Ordering = BINARY): Interval[] | undefined {
  const { operand } = leaf;
  switch (leaf.operator) {
    case 'eq':
      return union(pointsFor(operand, ordering));
    case 'in': {
      const intervals = (operand as Value[]).flatMap((value) => pointsFor(value, ordering));
      for (const regex of leaf.regexes ?? []) intervals.push(...regexBounds(regex, ordering));
      return union(intervals);
    }
    case 'regex':
      return union(regexBounds(operand as Regex, ordering));
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return rangeFor(leaf.operator, operand, ordering);
    default:
      return undefined;
  }
}

/** Hashes know equality only (manual: core/indexes/index-types/index-hashed). Arrays are not in such an index. */
export function hashedBoundsOf({ operator, operand, regexes }: LeafNode, ordering: Ordering): Interval[] | undefined {
  if (operator === 'eq') return [hashedPoint(operand, ordering)];
  if (operator !== 'in' || (regexes?.length ?? 0) > 0) return undefined;
  return union((operand as Value[]).map((value) => hashedPoint(value, ordering)));
}

function hashedPoint(value: Value, ordering: Ordering): Interval {
  const from = hashKey(ordering.encode(value));
  return { from, to: successor(from), point: true };
}

/** An array is found by itself as an element, and by the key of its first element. */
function pointsFor(operand: Value, ordering: Ordering): Interval[] {
  if (!Array.isArray(operand)) return [pointOf(operand, ordering)];
  const first = operand.length === 0 ? UNDEFINED : (operand[0] as Value);
  return [pointOf(operand, ordering), pointOf(first, ordering)];
}

function rangeFor(operator: 'lt' | 'lte' | 'gt' | 'gte', operand: Value, ordering: Ordering): Interval[] | undefined {
  if (operand === null) return operator === 'lte' || operator === 'gte' ? [pointOf(null, ordering)] : [];
  if (operand === MIN_KEY || operand === MAX_KEY || Array.isArray(operand)) return undefined;
  const bracket = bracketOf(operand);
  if (bracket === Bracket.Number && isNumeric(operand) && Number.isNaN(toDouble(operand)))
    return [pointOf(operand, ordering)];
  const encoded = ordering.encode(operand);
  switch (operator) {
    case 'lt':
      return [{ from: bracketStart(bracket), to: encoded, point: false }];
    case 'lte':
      return [{ from: bracketStart(bracket), to: successor(encoded), point: false }];
    case 'gt':
      return [{ from: successor(encoded), to: bracketEnd(bracket), point: false }];
    case 'gte':
      return [{ from: encoded, to: bracketEnd(bracket), point: false }];
  }
}

/** Strings with the expression's literal beginning, or all strings; and expressions, which match themselves. */
function regexBounds(regex: Regex, ordering: Ordering): Interval[] {
  // A pattern looks at the string itself, which the keys of a collation do not hold.
  const prefix = ordering === BINARY ? literalPrefix(regex) : undefined;
  const strings =
    prefix === undefined
      ? { from: bracketStart(Bracket.String), to: bracketEnd(Bracket.String), point: false }
      : stringRange(prefix);
  return [strings, pointOf(regex, ordering)];
}

function stringRange(prefix: string): Interval {
  const from = bracketStart(Bracket.String) + encodeStringPrefix(prefix);
  return { from, to: successor(from), point: false };
}

/** Sorted, without overlaps. */
export function union(intervals: Interval[]): Interval[] {
  if (intervals.length < 2) return intervals;
  const sorted = intervals.toSorted((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const merged: Interval[] = [];
  for (const interval of sorted) {
    const last = merged.at(-1);
    if (last === undefined || interval.from >= last.to) {
      merged.push(interval);
    } else if (interval.to > last.to) {
      merged[merged.length - 1] = { from: last.from, to: interval.to, point: false };
    }
  }
  return merged;
}

export function intersect(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  const common: Interval[] = [];
  for (const x of a) {
    for (const y of b) {
      const [, from = ''] = [x.from, y.from].sort();
      const [to = ''] = [x.to, y.to].sort();
      if (from < to) common.push({ from, to, point: x.point || y.point });
    }
  }
  return common;
}

/** The same intervals for a descending field, whose encodings are inverted. */
export function inverted(intervals: readonly Interval[]): Interval[] {
  return intervals
    .map(({ from, to, point: isPoint }) => ({
      from: to === TOP ? '' : successor(invert(to)),
      to: from === '' ? TOP : successor(invert(from)),
      point: isPoint,
    }))
    .reverse();
}
