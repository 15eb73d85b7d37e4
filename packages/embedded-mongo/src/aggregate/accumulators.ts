import { divide } from '../bson/arithmetic.ts';
import { compare } from '../bson/compare.ts';
import { Sum } from '../bson/sum.ts';
import { Doc, Double, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { isNullish } from '../expression/arguments.ts';
import { compileExpression } from '../expression/compile.ts';
import { mergeDocs } from '../expression/objects.ts';
import type { Environment, Evaluate, Scope } from '../expression/scope.ts';
import { encodeValue } from '../indexes/key.ts';
import { typeName } from '../query/types.ts';

/** Gathers the values of one group. */
export interface Accumulator {
  add(env: Environment): void;
  result(): Value;
}

type Factory = (evaluate: Evaluate) => () => Accumulator;

const simple =
  <State>(
    start: () => State,
    step: (state: State, value: Value | undefined) => State,
    finish: (state: State) => Value,
  ): Factory =>
  (evaluate) =>
  () => {
    let state = start();
    return {
      add(env) {
        state = step(state, evaluate(env));
      },
      result: () => finish(state),
    };
  };

function extremum(direction: number): Factory {
  return simple<Value | undefined>(
    () => undefined,
    (best, value) => (!isNullish(value) && (best === undefined || compare(value, best) * direction > 0) ? value : best),
    (best) => best ?? null,
  );
}

const factories: Record<string, Factory> = {
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
  $push: simple<Value[]>(
    () => [],
    (list, value) => {
      if (value !== undefined) list.push(value);
      return list;
    },
    (list) => list,
  ),
  $addToSet: simple(
    () => new Map<string, Value>(),
    (set, value) => {
      if (value !== undefined) {
        const key = encodeValue(value);
        if (!set.has(key)) set.set(key, value);
      }
      return set;
    },
    (set) => [...set.values()],
  ),
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
};

function deviation(lost: number): Factory {
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
  if (name === '$count') {
    if (!(operand instanceof Doc) || operand.size > 0)
      throw new MongoError(40237, 'The $count accumulator takes an empty object');
    return (factories.$sum as Factory)(() => 1);
  }
  const factory = Object.hasOwn(factories, name) ? factories[name] : undefined;
  if (factory === undefined) throw new MongoError(15952, `unknown group operator '${name}'`);
  if (Array.isArray(operand) && operand.length !== 1) {
    throw new MongoError(40237, `The ${name} accumulator is a unary operator`);
  }
  return factory(compileExpression(Array.isArray(operand) ? (operand[0] as Value) : operand, scope));
}
