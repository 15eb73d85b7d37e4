import { splitPath } from '../bson/path.ts';
import { Doc, isNumeric, toDouble, UNDEFINED, type Value } from '../bson/values.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import { badValue, MongoError } from '../errors.ts';
import type { SortMemory } from './memory.ts';
import type { SortField } from './planner.ts';
import { BlockingStream, PAUSE, Slice, type Stream } from './stream.ts';

export function parseSort(sort: Value | undefined): SortField[] {
  if (sort === undefined || sort === null) return [];
  if (!(sort instanceof Doc)) throw new MongoError(14, `Expected field sort to be of type object`);
  return [...sort.entries()].map(([path, direction]) => {
    if (direction instanceof Doc) {
      throw new MongoError(40218, '$meta sorts are not supported: this server has no text search');
    }
    const number = isNumeric(direction) ? toDouble(direction) : Number.NaN;
    if (number !== 1 && number !== -1)
      throw badValue(`$sort key ordering must be 1 (for ascending) or -1 (for descending)`);
    if (path === '' || path.split('.').includes(''))
      throw new MongoError(15998, 'FieldPath field names may not be empty strings.');
    return { path, direction: number };
  });
}

/** A document with its sort key, and its place in the input to keep the sort stable. */
interface Entry {
  readonly doc: Doc;
  readonly key: (Value | undefined)[];
  readonly place: number;
}

/** Compares documents by sort fields: of an array its least element counts, or its greatest when descending. */
export class Sorter {
  private readonly fields: { parts: string[]; direction: 1 | -1 }[];

  private readonly compare: Ordering['compare'];

  constructor(sort: readonly SortField[], ordering: Ordering) {
    this.compare = ordering.compare;
    this.fields = sort.map(({ path, direction }) => ({ parts: splitPath(path), direction }));
  }

  key(doc: Doc): (Value | undefined)[] {
    return this.fields.map(({ parts, direction }) => sortValue(doc, parts, 0, direction, this.compare) ?? null);
  }

  compareKeys(a: (Value | undefined)[], b: (Value | undefined)[]): number {
    for (let i = 0; i < this.fields.length; i++) {
      const difference = this.compare(a[i], b[i]);
      if (difference !== 0) return this.fields[i]?.direction === -1 ? -difference : difference;
    }
    return 0;
  }

  readonly order = (a: Entry, b: Entry): number => this.compareKeys(a.key, b.key) || a.place - b.place;
}

function sortValue(
  value: Value | undefined,
  parts: string[],
  depth: number,
  direction: number,
  compare: Ordering['compare'],
): Value | undefined {
  if (Array.isArray(value)) {
    if (value.length === 0) return depth === parts.length ? UNDEFINED : undefined;
    let best: Value | undefined;
    let first = true;
    for (const element of value) {
      const candidate =
        depth === parts.length
          ? element
          : (sortValue(element instanceof Doc ? element : undefined, parts, depth, direction, compare) ?? null);
      if (first || compare(candidate, best) * direction < 0) best = candidate;
      first = false;
    }
    return best;
  }
  if (depth === parts.length) return value;
  if (!(value instanceof Doc)) return undefined;
  return sortValue(value.get(parts[depth] as string), parts, depth + 1, direction, compare);
}

/** Sorts in memory; with a limit it never holds more than twice that many. */
export function sortStream(
  input: Stream,
  sort: readonly SortField[],
  ordering: Ordering = BINARY,
  limit = Number.POSITIVE_INFINITY,
  memory?: SortMemory,
): Stream {
  const sorter = new Sorter(sort, ordering);
  let entries: Entry[] = [];
  let place = 0;
  return new BlockingStream(
    input,
    (doc) => {
      memory?.take(doc);
      entries.push({ doc, key: sorter.key(doc), place: place++ });
      if (entries.length < 2 * limit + 64) return;
      entries = entries.sort(sorter.order).slice(0, limit);
      memory?.release();
    },
    function* () {
      const sorted = yield* sortInSlices(entries, sorter.order);
      entries = [];
      const count = Math.min(sorted.length, limit);
      for (let i = 0; i < count; i++) yield (sorted[i] as Entry).doc;
    },
  );
}

const RUN = 2048;

/** A merge sort that lets others run in between; the order has to tell all entries apart. */
export function* sortInSlices<T>(entries: T[], order: (a: T, b: T) => number): Generator<typeof PAUSE, T[]> {
  if (entries.length <= RUN) return entries.sort(order);
  const slice = new Slice();
  let runs: T[][] = [];
  for (let at = 0; at < entries.length; at += RUN) {
    runs.push(entries.slice(at, at + RUN).sort(order));
    yield PAUSE;
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const [a, b] = [runs[i] as T[], runs[i + 1] ?? []];
      const both: T[] = [];
      let k = 0;
      for (const entry of a) {
        while (k < b.length && order(b[k] as T, entry) < 0) both.push(b[k++] as T);
        both.push(entry);
        if (slice.expired()) yield PAUSE;
      }
      while (k < b.length) both.push(b[k++] as T);
      merged.push(both);
    }
    runs = merged;
  }
  return runs[0] ?? [];
}
