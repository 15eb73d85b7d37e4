import { isNumeric, toDouble } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { compileExpression } from '../expression/compile.ts';
import { parsePercentiles, percentilesOf } from '../expression/percentile.ts';
import type { AccumulatorBuilder } from './accumulator.ts';

const accumulator: AccumulatorBuilder = (operand, scope, name) => {
  const percentiles = parsePercentiles(name, operand, scope, compileExpression);
  return () => {
    const numbers: number[] = [];
    return {
      add(env) {
        const value = percentiles.input(env);
        if (isNumeric(value)) numbers.push(toDouble(value));
        if (numbers.length > 12_000_000) {
          throw new MongoError(ErrorCode.ExceededMemoryLimit, `${name} used too much memory and cannot spill to disk.`);
        }
      },
      result: () => percentilesOf(percentiles, numbers),
    };
  };
};

export const percentileAccumulators: Record<string, AccumulatorBuilder> = {
  $percentile: accumulator,
  $median: accumulator,
};
