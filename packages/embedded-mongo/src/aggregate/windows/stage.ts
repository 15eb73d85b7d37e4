import { Doc, type Value } from '../../bson/values.ts';
import { failedToParse, MongoError } from '../../errors.ts';
import { compileExpression } from '../../expression/compile.ts';
import type { Scope } from '../../expression/scope.ts';
import { parseSort, Sorter, sortInSlices } from '../../plan/sort.ts';
import { BlockingStream, PAUSE, Slice } from '../../plan/stream.ts';
import { accumulatorNames, compileAccumulator } from '../accumulators.ts';
import { fieldAt, withField } from '../fields.ts';
import type { Stage } from '../pipeline.ts';
import { type WindowFunction, windowFunctions } from './functions.ts';
import { type Partition, parseWindow, type Window } from './window.ts';

interface Output {
  readonly parts: readonly string[];
  readonly compute: WindowFunction;
}

interface Row {
  readonly doc: Doc;
  readonly partition: string;
  readonly key: (Value | undefined)[];
  readonly place: number;
}

/** `$setWindowFields` (manual: reference/operator/aggregation/setWindowFields). */
export function windowStage(specification: Value, scope: Scope): Stage {
  if (!(specification instanceof Doc))
    throw failedToParse('the $setWindowFields stage specification must be an object');
  for (const key of specification.keys) {
    if (!['partitionBy', 'sortBy', 'output'].includes(key)) {
      throw new MongoError(40415, `BSON field '$setWindowFields.${key}' is an unknown field.`);
    }
  }
  const output = specification.get('output');
  if (!(output instanceof Doc)) {
    throw new MongoError(40414, "BSON field '$setWindowFields.output' is missing but a required field");
  }
  const partitionBy = compileExpression(specification.get('partitionBy') ?? null, scope);
  const sort = parseSort(specification.get('sortBy'));
  const sorter = new Sorter(sort, scope.ordering);
  const only = sort.length === 1 ? sort[0]?.path.split('.') : undefined;
  const outputs = [...output.entries()].map(
    ([path, field]): Output => ({ parts: path.split('.'), compute: compileOutput(path, field, scope, sort) }),
  );
  return (input) => {
    const rows: Row[] = [];
    return new BlockingStream(
      input,
      (doc) => {
        const value = partitionBy(scope.environment(doc));
        if (Array.isArray(value)) {
          throw new MongoError(14, 'An expression used to partition cannot evaluate to value of type array');
        }
        rows.push({ doc, partition: scope.ordering.encode(value ?? null), key: sorter.key(doc), place: rows.length });
      },
      function* () {
        const sorted = yield* sortInSlices(rows, (a, b) => {
          if (a.partition !== b.partition) return a.partition < b.partition ? -1 : 1;
          return sorter.compareKeys(a.key, b.key) || a.place - b.place;
        });
        for (let from = 0; from < sorted.length; ) {
          let to = from + 1;
          while (to < sorted.length && sorted[to]?.partition === sorted[from]?.partition) to++;
          const docs = sorted.slice(from, to).map(({ doc }) => doc);
          const keys = only === undefined ? [] : docs.map((doc) => fieldAt(doc, only));
          yield* computed({ docs, keys }, outputs);
          from = to;
        }
      },
    );
  };
}

function* computed(partition: Partition, outputs: readonly Output[]): Generator<Doc | typeof PAUSE> {
  const columns: (Value | undefined)[][] = [];
  for (const { compute } of outputs) columns.push(yield* compute(partition));
  for (const [i, doc] of partition.docs.entries()) {
    yield outputs.reduce((made, { parts }, k) => withField(made, parts, columns[k]?.[i]), doc);
  }
}

function compileOutput(path: string, field: Value, scope: Scope, sort: ReturnType<typeof parseSort>): WindowFunction {
  if (!(field instanceof Doc)) throw failedToParse(`The field '${path}' must be an object`);
  const names = field.keys.filter((key) => key !== 'window');
  const [name] = names;
  if (name === undefined || names.length !== 1) {
    throw failedToParse(`The field '${path}' must specify one window function`);
  }
  const singleAscending = sort.length === 1 && sort[0]?.direction === 1;
  const window = parseWindow(field.get('window'), singleAscending, sort.length > 0);
  const operand = field.get(name) as Value;
  const build = Object.hasOwn(windowFunctions, name) ? windowFunctions[name] : undefined;
  if (build !== undefined) {
    return build({ name, operand, scope, window, hasWindow: field.has('window'), sortFields: sort.length });
  }
  if (!accumulatorNames.has(name) || name === '$mergeObjects') {
    throw failedToParse(`Unrecognized window function, ${name}`);
  }
  return accumulated(compileAccumulator(path, new Doc([name], [operand]), scope), scope, window);
}

/** A window that begins with the partition only grows: one accumulator serves all of its documents. */
function accumulated(create: ReturnType<typeof compileAccumulator>, scope: Scope, window: Window): WindowFunction {
  return function* (partition) {
    const slice = new Slice();
    const results: Value[] = [];
    let growing = create();
    let reached = 0;
    for (let i = 0; i < partition.docs.length; i++) {
      if (window.unboundedStart && window.unboundedEnd && i > 0) {
        results.push(results[0] as Value);
        continue;
      }
      const { from, to } = window.frame(partition, i);
      if (!window.unboundedStart || to < reached) {
        growing = create();
        reached = from;
      }
      for (; reached < to; reached++) {
        growing.add(scope.environment(partition.docs[reached]));
        if (slice.expired()) yield PAUSE;
      }
      const result = growing.result();
      // The accumulator goes on filling its list.
      results.push(Array.isArray(result) ? result.slice() : result);
    }
    return results;
  };
}
