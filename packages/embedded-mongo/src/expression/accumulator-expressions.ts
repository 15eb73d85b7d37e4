import { divide } from '../bson/arithmetic.ts';
import { compare } from '../bson/compare.ts';
import { Sum } from '../bson/sum.ts';
import type { Value } from '../bson/values.ts';
import { isNullish } from './arguments.ts';
import type { OperatorBuilder } from './scope.ts';

/** The accumulators that are also expressions: over their operands, or over the one array they are given. */
function accumulate(combine: (values: Value[]) => Value): OperatorBuilder {
  return (operand, scope, compile) => {
    const operands = Array.isArray(operand) ? operand : [operand];
    const evaluates = operands.map((entry) => compile(entry, scope));
    return (env) => {
      const values = evaluates.map((evaluate) => evaluate(env)).filter((value) => value !== undefined);
      const only = values[0];
      return combine(evaluates.length === 1 ? (Array.isArray(only) ? only : values) : values);
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

function extreme(values: Value[], direction: number): Value {
  let best: Value | undefined;
  for (const value of values) {
    if (isNullish(value)) continue;
    if (best === undefined || compare(value, best) * direction > 0) best = value;
  }
  return best ?? null;
}

/** Manual: reference/operator/aggregation, "Accumulators (in Other Stages)". */
export const accumulatorExpressions: Record<string, OperatorBuilder> = {
  $sum: accumulate((values) => sumOf(values).value),
  $avg: accumulate(average),
  $min: accumulate((values) => extreme(values, -1)),
  $max: accumulate((values) => extreme(values, 1)),
};
