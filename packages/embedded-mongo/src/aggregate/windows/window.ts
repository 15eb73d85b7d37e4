import { DateTime, Doc, type Double, isNumeric, toDouble, type Value } from '../../bson/values.ts';
import { failedToParse, MongoError } from '../../errors.ts';
import { addUnits, type Unit, unitOf } from '../../expression/date-units.ts';
import { UTC } from '../../expression/timezone.ts';
import { typeName } from '../../query/types.ts';

/** One sorted partition, with the value of its sort field where there is exactly one. */
export interface Partition {
  readonly docs: readonly Doc[];
  readonly keys: readonly (Value | undefined)[];
}

/** Which documents of its partition a document sees: from `from` up to, but without, `to`. */
export interface Window {
  readonly unboundedStart: boolean;
  readonly unboundedEnd: boolean;
  frame(partition: Partition, at: number): { from: number; to: number };
}

export const WHOLE: Window = {
  unboundedStart: true,
  unboundedEnd: true,
  frame: ({ docs }) => ({ from: 0, to: docs.length }),
};

type Bound = number | 'unbounded' | 'current';

/** Manual: reference/operator/aggregation/setWindowFields, "window". */
export function parseWindow(value: Value | undefined, singleAscending: boolean, sorted: boolean): Window {
  if (value === undefined) return WHOLE;
  if (!(value instanceof Doc)) throw failedToParse("'window' field must be an object");
  for (const key of value.keys) {
    if (!['documents', 'range', 'unit'].includes(key)) {
      throw failedToParse(`'window' field can only contain 'documents' or 'range' or 'unit', not '${key}'`);
    }
  }
  const documents = value.get('documents');
  const range = value.get('range');
  const unit = value.get('unit');
  if (documents !== undefined && range !== undefined) {
    throw failedToParse("Window bounds can specify either 'documents' or 'unit', not both.");
  }
  if (documents !== undefined) {
    if (unit !== undefined) throw failedToParse("Window bounds can only specify 'unit' with range-based bounds.");
    return documentWindow(bounds(documents, 'documents', true), sorted);
  }
  if (range === undefined) {
    if (unit !== undefined) throw failedToParse("Window bounds can only specify 'unit' with range-based bounds.");
    return WHOLE;
  }
  if (!singleAscending) {
    throw new MongoError(5339902, 'Range-based bounds require a sortBy of a single field in ascending order');
  }
  if (unit !== undefined && typeof unit !== 'string') throw failedToParse("'unit' must be a string");
  return rangeWindow(bounds(range, 'range', false), unit === undefined ? undefined : unitOf(unit, '$setWindowFields'));
}

function bounds(value: Value, name: string, whole: boolean): [Bound, Bound] {
  if (!Array.isArray(value) || value.length !== 2) {
    throw failedToParse(`Window bounds must be a 2-element array: ${name}`);
  }
  const [lower, upper] = value.map((entry): Bound => {
    if (entry === 'unbounded' || entry === 'current') return entry;
    const number = isNumeric(entry) ? toDouble(entry) : Number.NaN;
    if (Number.isNaN(number) || (whole && !Number.isInteger(number))) {
      throw failedToParse(
        `Numeric ${name}-based bounds must be ${whole ? 'an integer' : 'a number'}, or 'unbounded' or 'current'`,
      );
    }
    return number;
  }) as [Bound, Bound];
  const order = (bound: Bound, unbounded: number): number =>
    bound === 'current' ? 0 : bound === 'unbounded' ? unbounded : bound;
  if (order(lower, Number.NEGATIVE_INFINITY) > order(upper, Number.POSITIVE_INFINITY)) {
    throw new MongoError(5339900, 'Lower bound must not exceed upper bound');
  }
  return [lower, upper];
}

function documentWindow([lower, upper]: [Bound, Bound], sorted: boolean): Window {
  if (!sorted && (lower !== 'unbounded' || upper !== 'unbounded')) {
    throw new MongoError(5339901, 'Document-based bounds require a sortBy');
  }
  const shift = (bound: Bound): number => (typeof bound === 'number' ? bound : 0);
  return {
    unboundedStart: lower === 'unbounded',
    unboundedEnd: upper === 'unbounded',
    frame({ docs }, at) {
      const from = lower === 'unbounded' ? 0 : Math.max(at + shift(lower), 0);
      const to = upper === 'unbounded' ? docs.length : Math.min(at + shift(upper) + 1, docs.length);
      return { from: Math.min(from, docs.length), to: Math.max(to, Math.min(from, docs.length)) };
    },
  };
}

function rangeWindow([lower, upper]: [Bound, Bound], unit: Unit | undefined): Window {
  const limit = (key: number, bound: Bound): number => {
    if (typeof bound !== 'number') return key;
    return unit === undefined ? key + bound : addUnits(key, unit, bound, UTC);
  };
  return {
    unboundedStart: lower === 'unbounded',
    unboundedEnd: upper === 'unbounded',
    frame(partition, at) {
      const key = position(partition.keys[at], unit);
      const from = lower === 'unbounded' ? 0 : firstWhere(partition, unit, (other) => other >= limit(key, lower));
      const to =
        upper === 'unbounded'
          ? partition.docs.length
          : firstWhere(partition, unit, (other) => other > limit(key, upper));
      return { from, to: Math.max(from, to) };
    },
  };
}

/** The first document in the ascending order of the partition for which the test holds. */
function firstWhere({ keys }: Partition, unit: Unit | undefined, test: (key: number) => boolean): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(position(keys[middle], unit))) high = middle;
    else low = middle + 1;
  }
  return low;
}

function position(key: Value | undefined, unit: Unit | undefined): number {
  if (unit !== undefined) {
    if (key instanceof DateTime) return key.ms;
    throw new MongoError(5429513, `Invalid range: Expected the sortBy field to be a Date, but it was ${typeName(key)}`);
  }
  if (isNumeric(key)) return toDouble(key);
  throw new MongoError(5429414, `Invalid range: Expected the sortBy field to be a number, but it was ${typeName(key)}`);
}

/** The sort field as a number, in units where it is a date: for derivatives, integrals and interpolation. */
export function coordinate(key: Value | undefined, unitMs: number | undefined, name: string): number {
  if (key instanceof DateTime) {
    if (unitMs === undefined) throw new MongoError(5624901, `${name} where the sortBy is a Date requires a 'unit'`);
    return key.ms / unitMs;
  }
  if (unitMs !== undefined) throw new MongoError(5624900, `${name} with 'unit' expects the sortBy field to be a Date`);
  if (isNumeric(key)) return toDouble(key as Double);
  throw new MongoError(5624902, `${name} expects the sortBy field to be numeric, but it was ${typeName(key)}`);
}
