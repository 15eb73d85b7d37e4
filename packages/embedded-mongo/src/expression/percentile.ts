import { Doc, Double, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, MongoError } from '../errors.ts';

import { typeName } from '../query/types.ts';
import type { Compile, Evaluate, OperatorBuilder, Scope } from './scope.ts';

export interface Percentiles {
  readonly input: Evaluate;
  readonly points: readonly number[];
  /** `$median` gives its one percentile without a list. */
  readonly single: boolean;
}

/** Manual: reference/operator/aggregation/percentile and median. */
export function parsePercentiles(name: string, operand: Value, scope: Scope, compile: Compile): Percentiles {
  if (!(operand instanceof Doc)) {
    throw new MongoError(7436201, `specification must be an object; found ${name}: ${typeName(operand)}`);
  }
  const single = name === '$median';
  const names = single ? ['input', 'method'] : ['input', 'p', 'method'];
  for (const key of operand.keys) {
    if (!names.includes(key)) throw new MongoError(40415, `BSON field '${name}.${key}' is an unknown field.`);
  }
  for (const key of names) {
    if (!operand.has(key)) throw new MongoError(40414, `BSON field '${name}.${key}' is missing but a required field`);
  }
  const method = operand.get('method');
  if (method !== 'approximate') {
    throw badValue(`Currently only 'approximate' can be used as percentile 'method', found ${String(method)}`);
  }
  const p = single ? 0.5 : compile(operand.get('p') as Value, scope)(scope.environment(Doc.EMPTY));
  return {
    input: compile(operand.get('input') as Value, scope),
    points: single ? [0.5] : pointsOf(p),
    single,
  };
}

function pointsOf(p: Value | undefined): number[] {
  if (!Array.isArray(p) || p.length === 0) {
    throw new MongoError(7750300, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0]");
  }
  return p.map((entry) => {
    const point = isNumeric(entry) ? toDouble(entry) : Number.NaN;
    if (point >= 0 && point <= 1) return point;
    throw new MongoError(7750303, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0]");
  });
}

/** The value at rank `ceil(p * n)`: what MongoDB's approximation gives for the small groups that fit in memory. */
export function percentilesOf({ points, single }: Percentiles, numbers: number[]): Value {
  const sorted = Float64Array.from(numbers).sort();
  const values = points.map((point) => {
    if (sorted.length === 0) return null;
    return new Double(sorted[Math.max(Math.ceil(point * sorted.length) - 1, 0)] as number);
  });
  return single ? (values[0] ?? null) : values;
}

const expression: OperatorBuilder = (operand, scope, compile, name) => {
  const percentiles = parsePercentiles(name, operand, scope, compile);
  return (env) => {
    const value = percentiles.input(env);
    const list = Array.isArray(value) ? value : [value];
    return percentilesOf(percentiles, list.filter(isNumeric).map(toDouble));
  };
};

/** The same as expressions, over a number or an array of numbers. */
export const percentileExpressions: Record<string, OperatorBuilder> = { $percentile: expression, $median: expression };
