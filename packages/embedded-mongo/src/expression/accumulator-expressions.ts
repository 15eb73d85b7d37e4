import { divide } from '../bson/arithmetic.ts';
import { Sum } from '../bson/sum.ts';
import { Double, isNumeric, toDouble, type Value } from '../bson/values.ts';
import type { Ordering } from '../collation/ordering.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { isNullish, named, readCount } from './arguments.ts';
import { percentileExpressions } from './percentile.ts';
import type { OperatorBuilder } from './scope.ts';

/** The accumulators that are also expressions: over their operands, or over the one array they are given. */
function accumulate(combine: (values: Value[], ordering: Ordering) => Value): OperatorBuilder {
  return (operand, scope, compile) => {
    const operands = Array.isArray(operand) ? operand : [operand];
    const evaluates = operands.map((entry) => compile(entry, scope));
    return (env) => {
      const values = evaluates.map((evaluate) => evaluate(env)).filter((value) => value !== undefined);
      const only = values[0];
      return combine(evaluates.length === 1 ? (Array.isArray(only) ? only : values) : values, scope.ordering);
    };
  };
}

function sumOf(values: Value[]): Sum {
  const sum = new Sum();
  for (const value of values) sum.add(value);
  return sum;
}

function average(values: Value[]): Value {
  const sum = sumOf(values);
  return sum.count === 0 ? null : divide(sum.value, sum.count);
}

function extreme(values: Value[], direction: number, { compare }: Ordering): Value {
  let best: Value | undefined;
  for (const value of values) {
    if (isNullish(value)) continue;
    if (best === undefined || compare(value, best) * direction > 0) best = value;
  }
  return best ?? null;
}

function deviation(values: Value[], lost: number): Value {
  const numbers = values.filter(isNumeric).map(toDouble);
  if (numbers.length - lost <= 0) return null;
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const squares = numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0);
  return new Double(Math.sqrt(squares / (numbers.length - lost)));
}

/** `$firstN` and its like over an array: `{n, input}`. */
function pickFromArray(pick: (array: Value[], n: number, ordering: Ordering) => Value[]): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const { n, input } = named(name, operand, scope, compile, ['n', 'input']);
    return (env) => {
      const count = readCount(n?.(env), name);
      const array = input?.(env);
      if (!Array.isArray(array))
        throw new MongoError(5788200, `Input must be an array, not ${typeName(array)} in ${name}`);
      return pick(array, count, scope.ordering);
    };
  };
}

function sortedValues(array: Value[], direction: number, { compare }: Ordering): Value[] {
  return array.filter((value) => !isNullish(value)).sort((a, b) => direction * compare(a, b));
}

/** Manual: reference/operator/aggregation, "Accumulators (in Other Stages)". */
export const accumulatorExpressions: Record<string, OperatorBuilder> = {
  $sum: accumulate((values) => sumOf(values).value),
  $avg: accumulate(average),
  $min: accumulate((values, ordering) => extreme(values, -1, ordering)),
  $max: accumulate((values, ordering) => extreme(values, 1, ordering)),
  $stdDevPop: accumulate((values) => deviation(values, 0)),
  $stdDevSamp: accumulate((values) => deviation(values, 1)),
  $firstN: pickFromArray((array, n) => array.slice(0, n)),
  $lastN: pickFromArray((array, n) => array.slice(-n)),
  $minN: pickFromArray((array, n, ordering) => sortedValues(array, 1, ordering).slice(0, n)),
  $maxN: pickFromArray((array, n, ordering) => sortedValues(array, -1, ordering).slice(0, n)),
  ...percentileExpressions,
};
