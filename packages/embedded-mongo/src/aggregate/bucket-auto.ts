import { Doc, Double, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { compileExpression } from '../expression/compile.ts';
import type { Scope } from '../expression/scope.ts';
import { sortInSlices } from '../plan/sort.ts';
import { BlockingStream, type PAUSE } from '../plan/stream.ts';
import { compileAccumulator } from './accumulators.ts';
import { GRANULARITIES, type Series } from './granularity.ts';
import type { Stage } from './pipeline.ts';

interface Row {
  readonly value: Value;
  readonly doc: Doc;
  readonly place: number;
}

/** `$bucketAuto` (manual: reference/operator/aggregation/bucketAuto): buckets with about the same number of documents. */
export function bucketAutoStage(specification: Value, scope: Scope): Stage {
  if (!(specification instanceof Doc)) throw new MongoError(40240, 'The argument to $bucketAuto must be an object');
  for (const key of specification.keys) {
    if (!['groupBy', 'buckets', 'output', 'granularity'].includes(key)) {
      throw new MongoError(40245, `Unrecognized option to $bucketAuto: ${key}.`);
    }
  }
  const groupBy = specification.get('groupBy');
  const buckets = specification.get('buckets');
  if (groupBy === undefined || buckets === undefined) {
    throw new MongoError(40246, "$bucketAuto requires 'groupBy' and 'buckets' to be specified");
  }
  if (!isNumeric(buckets)) throw new MongoError(40241, "The $bucketAuto 'buckets' field must be a numeric value");
  const count = toDouble(buckets);
  if (!Number.isInteger(count)) throw new MongoError(40242, "The $bucketAuto 'buckets' field must be an integer");
  if (count <= 0) throw new MongoError(40243, "The $bucketAuto 'buckets' field must be greater than 0");
  const output = specification.get('output') ?? Doc.of({ count: Doc.of({ $sum: 1 }) });
  if (!(output instanceof Doc)) throw new MongoError(40244, "The $bucketAuto 'output' field must be an object");
  const fields = [...output.entries()].map(
    ([name, accumulator]) => [name, compileAccumulator(name, accumulator, scope)] as const,
  );
  const series = seriesOf(specification.get('granularity'));
  const value = compileExpression(groupBy, scope);
  const { compare } = scope.ordering;
  const bucket = (rows: readonly Row[], min: Value, max: Value): Doc => {
    const accumulators = fields.map(([, create]) => create());
    for (const row of rows) for (const accumulator of accumulators) accumulator.add(scope.environment(row.doc));
    return new Doc(
      ['_id', ...fields.map(([name]) => name)],
      [Doc.of({ min, max }), ...accumulators.map((accumulator) => accumulator.result())],
    );
  };
  return (input) => {
    const rows: Row[] = [];
    return new BlockingStream(
      input,
      (doc) => {
        const found = value(scope.environment(doc)) ?? null;
        if (series !== undefined) checkNumber(found);
        rows.push({ value: found, doc, place: rows.length });
      },
      function* (): Generator<Doc | typeof PAUSE> {
        const sorted = yield* sortInSlices(rows, (a, b) => compare(a.value, b.value) || a.place - b.place);
        yield* divided(sorted, count, compare, series, bucket);
      },
    );
  };
}

function seriesOf(granularity: Value | undefined): Series | undefined {
  if (granularity === undefined) return undefined;
  if (typeof granularity !== 'string') {
    throw new MongoError(40261, "The $bucketAuto 'granularity' field must be a string");
  }
  const series = GRANULARITIES.get(granularity);
  if (series === undefined) throw new MongoError(40257, `Unknown rounding granularity '${granularity}'`);
  return series;
}

function checkNumber(value: Value): void {
  if (!isNumeric(value)) {
    throw new MongoError(40258, '$bucketAuto can specify a granularity with numeric boundaries only');
  }
  const number = toDouble(value);
  if (Number.isNaN(number)) throw new MongoError(40259, '$bucketAuto cannot use NaN with a granularity');
  if (number < 0) throw new MongoError(40260, '$bucketAuto can specify a granularity with non-negative numbers only');
}

/** Equal values stay together, so there may be fewer buckets than asked for. */
function* divided(
  rows: readonly Row[],
  count: number,
  compare: (a: Value, b: Value) => number,
  series: Series | undefined,
  bucket: (rows: readonly Row[], min: Value, max: Value) => Doc,
): Generator<Doc | typeof PAUSE> {
  const size = Math.max(Math.round(rows.length / count), 1);
  let from = 0;
  let previousMax: Value | undefined;
  for (let made = 0; from < rows.length; made++) {
    let to = made === count - 1 ? rows.length : Math.min(from + size, rows.length);
    const last = (): Value => (rows[to - 1] as Row).value;
    while (to < rows.length && compare((rows[to] as Row).value, last()) === 0) to++;
    const min = (rows[from] as Row).value;
    if (series === undefined) {
      const next = rows[to];
      yield bucket(rows.slice(from, to), min, next === undefined ? last() : next.value);
    } else {
      const lower = previousMax ?? new Double(series.below(toDouble(min as number)));
      const upper = series.above(toDouble(last() as number));
      while (to < rows.length && toDouble((rows[to] as Row).value as number) < upper) to++;
      previousMax = new Double(upper);
      yield bucket(rows.slice(from, to), lower, previousMax);
    }
    from = to;
  }
}
