import { add } from '../bson/arithmetic.ts';
import { DateTime, Doc, isNumeric, type Numeric, toDouble, type Value } from '../bson/values.ts';
import { failedToParse, MongoError } from '../errors.ts';
import { isNullish } from '../expression/arguments.ts';
import { addUnits, type Unit, unitOf } from '../expression/date-units.ts';
import type { Scope } from '../expression/scope.ts';
import { UTC } from '../expression/timezone.ts';
import { sortInSlices } from '../plan/sort.ts';
import { BlockingStream, PAUSE, Slice } from '../plan/stream.ts';
import { typeName } from '../query/types.ts';
import { fieldAt, withField } from './fields.ts';
import type { Stage } from './pipeline.ts';

interface Range {
  readonly step: Numeric;
  readonly unit: Unit | undefined;
  readonly bounds: 'full' | 'partition' | readonly [Value, Value];
}

interface Row {
  readonly doc: Doc;
  readonly value: Value;
  readonly group: string;
  readonly place: number;
}

/** As many documents as one stage may make; MongoDB's default of `internalQueryMaxAllowedDensifyDocs`. */
const MAX_MADE = 500_000;

/** `$densify` (manual: reference/operator/aggregation/densify). */
export function densifyStage(specification: Value, scope: Scope): Stage {
  if (!(specification instanceof Doc))
    throw new MongoError(5733201, 'The $densify stage specification must be an object');
  for (const key of specification.keys) {
    if (!['field', 'partitionByFields', 'range'].includes(key)) {
      throw new MongoError(40415, `BSON field '$densify.${key}' is an unknown field.`);
    }
  }
  const field = specification.get('field');
  if (typeof field !== 'string')
    throw new MongoError(40414, "BSON field '$densify.field' is missing but a required field");
  if (field.startsWith('$')) throw new MongoError(16410, "FieldPath field names may not start with '$'.");
  const range = parseRange(specification.get('range'));
  const by = partitionFields(specification.get('partitionByFields'));
  if (range.bounds === 'partition' && by.length === 0) {
    throw new MongoError(
      5733408,
      "one may not specify the bounds as 'partition' without specifying a non-empty array of partitionByFields",
    );
  }
  const parts = field.split('.');
  const { compare, encode } = scope.ordering;
  return (input) => {
    const rows: Row[] = [];
    const untouched: Doc[] = [];
    return new BlockingStream(
      input,
      (doc) => {
        const value = fieldAt(doc, parts);
        if (isNullish(value)) {
          untouched.push(doc);
          return;
        }
        checkValue(value, range.unit);
        const group = by.map((path) => encode(fieldAt(doc, path) ?? null)).join('');
        rows.push({ doc, value, group, place: rows.length });
      },
      function* () {
        yield* untouched;
        const sorted = yield* sortInSlices(rows, (a, b) => {
          if (a.group !== b.group) return a.group < b.group ? -1 : 1;
          return compare(a.value, b.value) || a.place - b.place;
        });
        yield* densified(sorted, range, parts, by, compare);
      },
    );
  };
}

function partitionFields(value: Value | undefined): string[][] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new MongoError(14, "BSON field '$densify.partitionByFields' must be an array");
  return value.map((path) => {
    if (typeof path !== 'string') throw new MongoError(14, "BSON field '$densify.partitionByFields' must hold strings");
    return path.split('.');
  });
}

function parseRange(value: Value | undefined): Range {
  if (!(value instanceof Doc))
    throw new MongoError(40414, "BSON field '$densify.range' is missing but a required field");
  const step = value.get('step');
  if (!isNumeric(step) || toDouble(step) <= 0)
    throw new MongoError(5733401, 'the step parameter in a range statement must be a strictly positive numeric value');
  const name = value.get('unit');
  if (name !== undefined && typeof name !== 'string')
    throw new MongoError(14, "BSON field '$densify.range.unit' must be a string");
  const unit = name === undefined ? undefined : unitOf(name, '$densify');
  if (unit !== undefined && !Number.isInteger(toDouble(step))) {
    throw new MongoError(
      6586400,
      'The step parameter in a range statement must be a whole number when densifying a date range',
    );
  }
  const bounds = value.get('bounds');
  if (bounds === 'full' || bounds === 'partition') return { step, unit, bounds };
  if (!Array.isArray(bounds) || bounds.length !== 2) {
    throw new MongoError(
      5733403,
      "the bounds in a range statement must be 'full', 'partition', or a two-element array",
    );
  }
  const [lower, upper] = bounds as [Value, Value];
  if (unit === undefined && !(isNumeric(lower) && isNumeric(upper))) {
    throw new MongoError(5733406, 'the bounds of a numeric range must be numeric');
  }
  if (unit !== undefined && !(lower instanceof DateTime && upper instanceof DateTime)) {
    throw new MongoError(5733402, 'a bounding array must contain either both dates or both numeric types');
  }
  if (ordinal(lower) > ordinal(upper)) throw failedToParse('the bounds of a range must be ascending');
  return { step, unit, bounds: [lower, upper] };
}

function checkValue(value: Value, unit: Unit | undefined): void {
  if (unit === undefined ? isNumeric(value) : value instanceof DateTime) return;
  if (unit === undefined && value instanceof DateTime) {
    throw new MongoError(6053600, 'Encountered date densify value in collection when step does not have a date unit.');
  }
  throw new MongoError(
    5733201,
    `PlanExecutor error during aggregation :: caused by :: Densify field type must be ${unit === undefined ? 'numeric' : 'a date'}, but is ${typeName(value)}`,
  );
}

function ordinal(value: Value): number {
  return value instanceof DateTime ? value.ms : toDouble(value as Numeric);
}

function* densified(
  rows: readonly Row[],
  { step, unit, bounds }: Range,
  parts: readonly string[],
  by: readonly string[][],
  compare: (a: Value, b: Value) => number,
): Generator<Doc | typeof PAUSE> {
  const slice = new Slice();
  let made = 0;
  // Counted from the start, months keep the day they began with.
  const next = (start: Value, before: Value, count: number): Value =>
    start instanceof DateTime
      ? new DateTime(addUnits(start.ms, unit ?? 'millisecond', toDouble(step) * count, UTC))
      : add(before as Numeric, step);
  const all = rows.map(({ value }) => value);
  const least = (list: readonly Value[]): Value => list.reduce((a, b) => (compare(b, a) < 0 ? b : a));
  const greatest = (list: readonly Value[]): Value => list.reduce((a, b) => (compare(b, a) > 0 ? b : a));
  if (rows.length === 0 && (typeof bounds === 'string' || by.length > 0)) return;
  const whole = typeof bounds === 'string' && rows.length > 0 ? [least(all), greatest(all)] : undefined;
  let from = 0;
  do {
    let to = from;
    while (to < rows.length && rows[to]?.group === rows[from]?.group) to++;
    const group = rows.slice(from, to);
    const own = bounds === 'partition' ? [group[0]?.value, group.at(-1)?.value] : whole;
    const [lower, upper] = (typeof bounds === 'string' ? own : bounds) as [Value, Value];
    // The upper end of explicit bounds is left out, that of found ones is there or was found.
    const inside = (value: Value): boolean =>
      typeof bounds === 'string' ? compare(value, upper) <= 0 : compare(value, upper) < 0;
    let count = 0;
    let wanted = lower;
    const template = by.reduce((doc, path) => withField(doc, path, group[0] && fieldAt(group[0].doc, path)), Doc.EMPTY);
    const fill = function* (until: Value | undefined): Generator<Doc | typeof PAUSE> {
      while (inside(wanted) && (until === undefined || compare(wanted, until) < 0)) {
        made += 1;
        if (made > MAX_MADE)
          throw new MongoError(
            5897900,
            `Generated ${made} documents in $densify, which is over the limit of ${MAX_MADE}.`,
          );
        if (slice.expired()) yield PAUSE;
        yield withField(template, parts, wanted);
        count += 1;
        wanted = next(lower, wanted, count);
      }
    };
    for (const { doc, value } of group) {
      if (compare(value, lower) >= 0) yield* fill(value);
      yield doc;
      if (compare(value, wanted) === 0) {
        count += 1;
        wanted = next(lower, wanted, count);
      }
    }
    yield* fill(undefined);
    from = to;
  } while (from < rows.length);
}
