import { arrayIndex } from '../bson/path.ts';
import type { Index } from '../indexes/index.ts';
import { boundsOf, EVERYTHING, hashedBoundsOf, type Interval, intersect, inverted, TOP } from './bounds.ts';
import type { Predicate } from './predicates.ts';

/** What the conditions say about the keys of an index. */
export interface FieldBounds {
  /** Per field, in the order in which the index stores it. */
  readonly fields: readonly (readonly Interval[])[];
  /** How many leading fields have bounds, and how many of those have points only. */
  readonly bounded: number;
  readonly points: number;
  /** All fields of a unique index are single points: at most one record. */
  readonly unique: boolean;
  /** The parts of the index to read, ascending and without overlaps. */
  readonly ranges: readonly Interval[];
}

/** More ranges than this are not worth their seeks; the remaining fields then go without bounds. */
const MAX_RANGES = 5000;

export function fieldBounds(index: Index, predicates: readonly Predicate[]): FieldBounds {
  const used: { at: number; group: Predicate['group'] }[] = [];
  const fields = index.fields.map((field, at) => {
    const candidates = predicates.filter(({ path }) => path === field.path);
    if (candidates.length === 0 || !isPlainPath(field.parts)) return EVERYTHING;
    const multikey = index.arrays[at] !== 0;
    const chosen = multikey ? boundsOfOne(candidates, index, at, used) : boundsOfAll(candidates, index, field.hashed);
    if (chosen === undefined) return EVERYTHING;
    used.push({ at, group: chosen.group });
    return field.descending ? inverted(chosen.intervals) : chosen.intervals;
  });
  let bounded = 0;
  while (bounded < fields.length && fields[bounded] !== EVERYTHING) bounded++;
  let points = 0;
  while (points < bounded && (fields[points] as Interval[]).every((interval) => interval.point)) points++;
  const unique = index.spec.unique && points === fields.length && fields.every((intervals) => intervals.length === 1);
  return { fields, bounded, points, unique, ranges: rangesOf(fields, bounded) };
}

/** A number in a path may mean a field or a position; keys and queries disagree there, so no bounds. */
function isPlainPath(parts: readonly string[]): boolean {
  return parts.every((part, i) => i === 0 || arrayIndex(part) < 0);
}

interface Chosen {
  readonly intervals: Interval[];
  readonly group: Predicate['group'];
}

/** One value per document: all conditions hold for it. */
function boundsOfAll(candidates: readonly Predicate[], index: Index, hashed = false): Chosen | undefined {
  let intervals: Interval[] | undefined;
  for (const { leaf } of candidates) {
    const bounds = hashed ? hashedBoundsOf(leaf, index.ordering) : boundsOf(leaf, index.ordering);
    if (bounds === undefined) continue;
    intervals = intervals === undefined ? bounds : intersect(intervals, bounds);
  }
  return intervals === undefined ? undefined : { intervals, group: undefined };
}

/**
 * Several values per document: two conditions may be satisfied by two of them, so only one condition, or those that
 * one `$elemMatch` ties to the same element, can bound the scan (manual: core/multikey-index-bounds).
 */
function boundsOfOne(
  candidates: readonly Predicate[],
  index: Index,
  at: number,
  used: readonly { at: number; group: Predicate['group'] }[],
): Chosen | undefined {
  let best: Chosen | undefined;
  for (const candidate of candidates) {
    const group = candidate.group;
    const together = group === undefined ? [candidate] : candidates.filter((other) => other.group === group);
    const mayCompound = used.every(
      (other) =>
        !sharesArray(index, other.at, at) ||
        (group !== undefined && other.group === group && tiesElements(index, at, group.path)),
    );
    if (!mayCompound) continue;
    const intersectable = group === undefined || tiesElements(index, at, group.path);
    const chosen = boundsOfAll(intersectable ? together : [candidate], index);
    if (chosen === undefined) continue;
    const better =
      best === undefined || (chosen.intervals.every((i) => i.point) && !best.intervals.every((i) => i.point));
    if (better) best = { intervals: chosen.intervals, group };
  }
  return best;
}

/** Whether the only array on the field's path is the one the `$elemMatch` runs over. */
function tiesElements(index: Index, at: number, path: string): boolean {
  return index.arrays[at] === 1 << path.split('.').length;
}

/** Whether an array was met at the same place of both paths. */
function sharesArray(index: Index, a: number, b: number): boolean {
  const x = index.fields[a]?.parts ?? [];
  const y = index.fields[b]?.parts ?? [];
  const both = (index.arrays[a] ?? 0) & (index.arrays[b] ?? 0);
  for (let depth = 1; depth <= Math.min(x.length, y.length); depth++) {
    if (x[depth - 1] !== y[depth - 1]) return false;
    if ((both & (1 << depth)) !== 0) return true;
  }
  return false;
}

/** Joins the fields' intervals: every combination of points, then the intervals of the first field with a range. */
export function rangesOf(fields: readonly (readonly Interval[])[], bounded: number): Interval[] {
  let ranges: Interval[] = [{ from: '', to: TOP, point: true }];
  for (let at = 0; at < bounded; at++) {
    const intervals = fields[at] as readonly Interval[];
    if (ranges.length * intervals.length > MAX_RANGES) break;
    ranges = ranges.flatMap((prefix) =>
      intervals.map(({ from, to, point }) => ({
        from: prefix.from + from,
        to: to === TOP ? (prefix.from === '' ? TOP : prefix.to) : prefix.from + to,
        point,
      })),
    );
    if (!intervals.every((interval) => interval.point)) break;
  }
  return ranges;
}
