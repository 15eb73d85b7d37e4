import { divide } from '../bson/arithmetic.ts';
import { Sum } from '../bson/sum.ts';
import { Doc, Double, isNumeric, toDouble, type Value } from '../bson/values.ts';
import type { Ordering } from '../collation/ordering.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { isNullish } from '../expression/arguments.ts';
import { compileExpression } from '../expression/compile.ts';
import { mergeDocs } from '../expression/objects.ts';
import type { Evaluate, Scope } from '../expression/scope.ts';
import { MemoryLimit } from '../plan/memory.ts';
import { typeName } from '../query/types.ts';
import type { Accumulator, AccumulatorBuilder } from './accumulator.ts';
import { percentileAccumulators } from './percentile.ts';
import { pickAccumulators } from './pick.ts';

/** An accumulator of the values of one expression. */
function simple<State>(
  start: () => State,
  step: (state: State, value: Value | undefined, ordering: Ordering) => State,
  finish: (state: State) => Value,
): AccumulatorBuilder {
  return (operand, scope, name) => {
    const evaluate = unary(name, operand, scope);
    return () => {
      let state = start();
      return {
        add(env) {
          state = step(state, evaluate(env), scope.ordering);
        },
        result: () => finish(state),
      };
    };
  };
}

function unary(name: string, operand: Value, scope: Scope): Evaluate {
  if (!Array.isArray(operand)) return compileExpression(operand, scope);
  if (operand.length !== 1) throw new MongoError(40237, `The ${name} accumulator is a unary operator`);
  return compileExpression(operand[0] as Value, scope);
}

function extremum(direction: number): AccumulatorBuilder {
  return simple<Value | undefined>(
    () => undefined,
    (best, value, { compare }) =>
      !isNullish(value) && (best === undefined || compare(value, best) * direction > 0) ? value : best,
    (best) => best ?? null,
  );
}

/** The distinct values; those of an array count by themselves when `spread`. */
function setOf(spread: boolean): AccumulatorBuilder {
  return simple(
    () => ({ set: new Map<string, Value>(), memory: new MemoryLimit(spread ? '$setUnion' : '$addToSet') }),
    (state, value, ordering) => {
      if (value === undefined) return state;
      for (const element of spread ? listOperand('$setUnion', value) : [value]) {
        const key = ordering.encode(element);
        if (state.set.has(key)) continue;
        state.memory.take(element);
        state.set.set(key, element);
      }
      return state;
    },
    ({ set }) => [...set.values()],
  );
}

function listOperand(name: string, value: Value): Value[] {
  if (Array.isArray(value)) return value;
  throw new MongoError(14, `${name} requires array inputs, but input is of type ${typeName(value)}`);
}

function list(name: string, spread: boolean): AccumulatorBuilder {
  return simple(
    () => ({ list: [] as Value[], memory: new MemoryLimit(name) }),
    (state, value) => {
      if (value === undefined) return state;
      for (const element of spread ? listOperand(name, value) : [value]) {
        state.memory.take(element);
        state.list.push(element);
      }
      return state;
    },
    (state) => state.list,
  );
}

/** Manual: reference/operator/aggregation, "Accumulators". */
const builders: Record<string, AccumulatorBuilder> = {
  $sum: simple(
    () => new Sum(),
    (sum, value) => {
      sum.add(value);
      return sum;
    },
    (sum) => sum.value,
  ),
  $avg: simple(
    () => new Sum(),
    (sum, value) => {
      sum.add(value);
      return sum;
    },
    (sum) => (sum.count === 0 ? null : divide(sum.value, sum.count)),
  ),
  $min: extremum(-1),
  $max: extremum(1),
  $first: simple<{ value: Value | undefined } | undefined>(
    () => undefined,
    (state, value) => state ?? { value },
    (state) => state?.value ?? null,
  ),
  $last: simple<Value | undefined>(
    () => undefined,
    (_state, value) => value,
    (value) => value ?? null,
  ),
  $push: list('$push', false),
  $concatArrays: list('$concatArrays', true),
  $addToSet: setOf(false),
  $setUnion: setOf(true),
  $mergeObjects: simple(
    () => Doc.EMPTY,
    (merged, value) => {
      if (isNullish(value)) return merged;
      if (!(value instanceof Doc)) {
        throw new MongoError(40400, `$mergeObjects requires object inputs, but input is of type ${typeName(value)}`);
      }
      return mergeDocs(merged, value);
    },
    (merged) => merged,
  ),
  $stdDevPop: deviation(0),
  $stdDevSamp: deviation(1),
  $count: (operand, scope) => {
    if (!(operand instanceof Doc) || operand.size > 0)
      throw new MongoError(40237, 'The $count accumulator takes an empty object');
    return (builders.$sum as AccumulatorBuilder)(1, scope, '$sum');
  },
  ...pickAccumulators,
  ...percentileAccumulators,
};

function deviation(lost: number): AccumulatorBuilder {
  return simple(
    () => ({ count: 0, mean: 0, squares: 0 }),
    (state, value) => {
      if (!isNumeric(value)) return state;
      const x = toDouble(value);
      const count = state.count + 1;
      const delta = x - state.mean;
      const mean = state.mean + delta / count;
      return { count, mean, squares: state.squares + delta * (x - mean) };
    },
    ({ count, squares }) => (count - lost <= 0 ? null : new Double(Math.sqrt(squares / (count - lost)))),
  );
}

/** Compiles `{$sum: '$x'}` and its like (manual: reference/operator/aggregation/group, "Accumulator Operator"). */
export function compileAccumulator(field: string, specification: Value, scope: Scope): () => Accumulator {
  if (!(specification instanceof Doc) || specification.size === 0) {
    throw new MongoError(40234, `The field '${field}' must be an accumulator object`);
  }
  if (specification.size !== 1) {
    throw new MongoError(40238, `The field '${field}' must specify one accumulator`);
  }
  const name = specification.keys[0] as string;
  const operand = specification.values[0] as Value;
  const build = Object.hasOwn(builders, name) ? builders[name] : undefined;
  if (build === undefined) throw unknownAccumulator(name);
  return build(operand, scope, name);
}

/** The names that can be a window's function as well. */
export const accumulatorNames: ReadonlySet<string> = new Set(Object.keys(builders));

function unknownAccumulator(name: string): MongoError {
  if (name === '$accumulator') {
    return new MongoError(
      ErrorCode.NotImplemented,
      '$accumulator is not supported by this server: it runs no JavaScript',
    );
  }
  return new MongoError(15952, `unknown group operator '${name}'`);
}
