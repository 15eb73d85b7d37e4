import type { Value } from '../bson/values.ts';
import type { Ordering } from '../collation/ordering.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { isNullish, positional } from './arguments.ts';
import { isTrue } from './compile.ts';
import type { Evaluate, OperatorBuilder } from './scope.ts';

/** A list as a set: duplicates gone, whatever their numeric type. */
function asSet(values: Value[], ordering: Ordering): Map<string, Value> {
  const set = new Map<string, Value>();
  for (const value of values) {
    const key = ordering.encode(value);
    if (!set.has(key)) set.set(key, value);
  }
  return set;
}

function setOperator(
  min: number,
  max: number,
  code: number,
  nullable: boolean,
  combine: (sets: Map<string, Value>[], ordering: Ordering) => Value,
): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const evaluates = positional(name, operand, scope, compile, min, max);
    return (env) => {
      const sets: Map<string, Value>[] = [];
      for (const evaluate of evaluates) {
        const value = evaluate(env);
        if (nullable && isNullish(value)) return null;
        if (!Array.isArray(value))
          throw new MongoError(
            code,
            `All operands of ${name} must be arrays. One argument is of type: ${typeName(value)}`,
          );
        sets.push(asSet(value, scope.ordering));
      }
      return combine(sets, scope.ordering);
    };
  };
}

const sorted = (values: Iterable<Value>, { compare }: Ordering): Value[] => [...values].sort(compare);
const MANY = Number.MAX_SAFE_INTEGER;

function truthOf(every: boolean): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const [evaluate] = positional(name, operand, scope, compile, 1) as [Evaluate];
    return (env) => {
      const value = evaluate(env);
      if (!Array.isArray(value))
        throw new MongoError(5159200, `${name}'s argument must be an array, but is ${typeName(value)}`);
      return every ? value.every(isTrue) : value.some(isTrue);
    };
  };
}

/** Manual: reference/operator/aggregation, "Set Expression Operators". */
export const setOperators: Record<string, OperatorBuilder> = {
  $setUnion: setOperator(0, MANY, 17043, true, (sets, ordering) =>
    sorted(
      asSet(
        sets.flatMap((set) => [...set.values()]),
        ordering,
      ).values(),
      ordering,
    ),
  ),
  $setIntersection: setOperator(0, MANY, 17047, true, (sets, ordering) => {
    const [first, ...rest] = sets;
    if (first === undefined) return [];
    const common = [...first].filter(([key]) => rest.every((set) => set.has(key)));
    return sorted(
      common.map(([, value]) => value),
      ordering,
    );
  }),
  $setDifference: setOperator(2, 2, 17048, true, ([a, b]) =>
    [...(a ?? [])].filter(([key]) => b?.has(key) !== true).map(([, value]) => value),
  ),
  $setEquals: setOperator(2, MANY, 17044, false, ([first, ...rest]) =>
    rest.every((set) => set.size === first?.size && [...set.keys()].every((key) => first.has(key))),
  ),
  $setIsSubset: setOperator(2, 2, 17046, false, ([a, b]) => [...(a ?? [])].every(([key]) => b?.has(key) === true)),
  $anyElementTrue: truthOf(false),
  $allElementsTrue: truthOf(true),
};
