import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import type { Ordering } from '../collation/ordering.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { isNullish, named } from './arguments.ts';
import type { Evaluate, OperatorBuilder } from './scope.ts';

const sortArray: OperatorBuilder = (operand, scope, compile) => {
  const parts = named('$sortArray', operand, scope, compile, ['input', 'sortBy']);
  const sortBy = (operand as Doc).get('sortBy') as Value;
  const input = parts.input as Evaluate;
  return (env) => {
    const array = input(env);
    if (isNullish(array)) return null;
    if (!Array.isArray(array))
      throw new MongoError(
        2942504,
        `The input argument to $sortArray must be an array, but was of type: ${typeName(array)}`,
      );
    return array.toSorted(elementOrder(sortBy, scope.ordering));
  };
};

/** The order of `$sort` and `$sortArray`: a direction for whole elements, or a document of paths. */
export function elementOrder(sortBy: Value, { compare }: Ordering): (a: Value, b: Value) => number {
  if (isNumeric(sortBy)) {
    const direction = Math.sign(toDouble(sortBy));
    return (a, b) => direction * compare(a, b);
  }
  if (!(sortBy instanceof Doc)) throw new MongoError(2942507, 'The $sort element value must be either 1 or -1');
  const fields = [...sortBy.entries()].map(([path, direction]) => ({
    parts: path.split('.'),
    direction: isNumeric(direction) ? Math.sign(toDouble(direction)) : 1,
  }));
  return (a, b) => {
    for (const { parts, direction } of fields) {
      const difference = direction * compare(plainPath(a, parts), plainPath(b, parts));
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

function plainPath(value: Value, parts: string[]): Value {
  let current: Value | undefined = value;
  for (const part of parts) current = current instanceof Doc ? current.get(part) : undefined;
  return current ?? null;
}

/** Manual: reference/operator/aggregation/sortArray. */
export const orderOperators: Record<string, OperatorBuilder> = { $sortArray: sortArray };
