import { arrayIndex } from '../bson/path.ts';
import { Doc, type Value } from '../bson/values.ts';
import type { Index } from '../indexes/index.ts';
import { encodeString, encodeStringPrefix } from '../indexes/key.ts';
import { reachOf } from '../indexes/wildcard-spec.ts';
import type { LeafNode } from '../query/node.ts';
import { boundsOf, type Interval, intersect, inverted, successor, TOP } from './bounds.ts';
import { type FieldBounds, fieldBounds, rangesOf } from './field-bounds.ts';
import type { Predicate } from './predicates.ts';

/** The one field for which a query uses a wildcard index, as if it were an index of that field alone. */
export interface WildcardBounds extends FieldBounds {
  /** Nothing when only the fields before the wildcard are used. */
  readonly path: string | undefined;
  readonly isMultikey: boolean;
}

/**
 * A wildcard index serves one condition that only a value at the path can satisfy (manual:
 * core/indexes/index-types/index-wildcard): it holds neither what is missing nor documents and arrays as a whole. In a
 * compound one the fields before it have to be bounded too; they alone can also be used.
 */
export function wildcardBounds(index: Index, predicates: readonly Predicate[]): WildcardBounds | undefined {
  let best: WildcardBounds | undefined;
  for (const path of new Set(predicates.map((predicate) => predicate.path))) {
    const bounds = boundsAt(index, path, predicates);
    if (bounds !== undefined && (best === undefined || bounds.points > best.points)) best = bounds;
  }
  const before = index.wildcard?.at ?? 0;
  return before === 0 ? best : compounded(index, before, predicates, best);
}

/** A document has a key for each of its values before the wildcard with each of those in it: any pair may be asked for. */
function compounded(
  index: Index,
  before: number,
  predicates: readonly Predicate[],
  own: WildcardBounds | undefined,
): WildcardBounds | undefined {
  const prefix = fieldBounds(index, predicates);
  const bounded = Math.min(prefix.bounded, before);
  if (bounded === 0) return undefined;
  const joins = own !== undefined && bounded === before;
  const fields = [...prefix.fields.slice(0, bounded), ...(joins ? [own.ranges] : [])];
  const points = Math.min(prefix.points, before);
  return {
    fields,
    bounded: fields.length,
    points: joins && points === before ? points + own.points : points,
    unique: false,
    ranges: rangesOf(fields, fields.length),
    path: joins ? own.path : undefined,
    isMultikey: true,
  };
}

function boundsAt(index: Index, path: string, predicates: readonly Predicate[]): WildcardBounds | undefined {
  const scope = index.wildcard;
  const parts = path.split('.');
  const isPlain = parts.every((part, i) => part !== '' && (i === 0 || arrayIndex(part) < 0));
  if (scope === undefined || !isPlain || reachOf(scope, path) !== 'all') return undefined;
  const leaves = predicates.filter((predicate) => predicate.path === path).map(({ leaf }) => leaf);
  const isMultikey = parts.some((_, i) => index.arrayPaths.has(parts.slice(0, i + 1).join('.')));
  const intervals = intervalsOf(index, leaves, isMultikey);
  const prefix = encodeString(path);
  if (intervals !== undefined) {
    const ordered = index.fields[scope.at]?.descending === true ? inverted(intervals) : intervals;
    const ranges = ordered.map(({ from, to, point }) => ({
      from: prefix + from,
      to: to === TOP ? successor(prefix) : prefix + to,
      point,
    }));
    const points = intervals.every((interval) => interval.point) ? 1 : 0;
    return { fields: [ordered], bounded: 1, points, unique: false, ranges, path, isMultikey };
  }
  if (!leaves.some((leaf) => leaf.operator === 'exists')) return undefined;
  // What exists has keys at its path or, being a document, under it.
  const under = encodeStringPrefix(`${path}.`);
  const ranges = [
    { from: prefix, to: successor(prefix), point: false },
    { from: under, to: successor(under), point: false },
  ];
  return { fields: [ranges], bounded: 1, points: 0, unique: false, ranges, path, isMultikey: true };
}

/** Of several values each condition may mean another one, so that only one of them bounds the scan. */
function intervalsOf(index: Index, leaves: readonly LeafNode[], isMultikey: boolean): Interval[] | undefined {
  let intervals: Interval[] | undefined;
  for (const leaf of leaves) {
    const bounds = isServed(leaf) ? boundsOf(leaf, index.ordering) : undefined;
    if (bounds === undefined) continue;
    if (intervals === undefined) intervals = bounds;
    else if (!isMultikey) intervals = intersect(intervals, bounds);
    else if (bounds.every(({ point }) => point) && !intervals.every(({ point }) => point)) intervals = bounds;
  }
  return intervals;
}

function isServed({ operator, operand }: LeafNode): boolean {
  if (operator === 'regex') return true;
  if (operator === 'in') return (operand as Value[]).every(isScalar);
  return ['eq', 'lt', 'lte', 'gt', 'gte'].includes(operator) && isScalar(operand);
}

/** Null also stands for what is missing; documents are indexed by their fields, arrays by their elements. */
function isScalar(value: Value): boolean {
  return value !== null && !(value instanceof Doc) && !Array.isArray(value);
}
