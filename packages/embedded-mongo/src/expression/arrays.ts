import { isNumeric, toDouble, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { integer, isNullish, named, positional } from './arguments.ts';
import { loopOperators } from './array-loops.ts';
import { orderOperators } from './array-order.ts';
import { isTrue } from './compile.ts';
import type { Environment, Evaluate, OperatorBuilder } from './scope.ts';

const MANY = Number.MAX_SAFE_INTEGER;

const size: OperatorBuilder = (operand, scope, compile) => {
  const [evaluate] = positional('$size', operand, scope, compile, 1) as [Evaluate];
  return (env) => {
    const value = evaluate(env);
    if (!Array.isArray(value)) {
      throw new MongoError(17124, `The argument to $size must be an array, but was of type: ${typeName(value)}`);
    }
    return value.length;
  };
};

const arrayElemAt: OperatorBuilder = (operand, scope, compile) => {
  const [list, position] = positional('$arrayElemAt', operand, scope, compile, 2) as [Evaluate, Evaluate];
  return (env) => {
    const array = list(env);
    const at = position(env);
    if (isNullish(array) || isNullish(at)) return null;
    if (!Array.isArray(array)) {
      throw new MongoError(28689, `$arrayElemAt's first argument must be an array, but is ${typeName(array)}`);
    }
    if (!isNumeric(at)) {
      throw new MongoError(28690, `$arrayElemAt's second argument must be a numeric value, but is ${typeName(at)}`);
    }
    return array.at(
      integer(
        at,
        () =>
          new MongoError(
            28691,
            `$arrayElemAt's second argument must be representable as a 32-bit integer: ${toDouble(at)}`,
          ),
      ),
    );
  };
};

function endOf(last: boolean): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const [evaluate] = positional(name, operand, scope, compile, 1) as [Evaluate];
    return (env) => {
      const value = evaluate(env);
      if (isNullish(value)) return null;
      if (!Array.isArray(value))
        throw new MongoError(28689, `${name}'s argument must be an array, but is ${typeName(value)}`);
      return value.at(last ? -1 : 0);
    };
  };
}

const isIn: OperatorBuilder = (operand, scope, compile) => {
  const [needle, list] = positional('$in', operand, scope, compile, 2) as [Evaluate, Evaluate];
  return (env) => {
    const value = needle(env);
    const array = list(env);
    if (!Array.isArray(array)) {
      throw new MongoError(40081, `$in requires an array as a second argument, found: ${typeName(array)}`);
    }
    return array.some((element) => scope.ordering.equals(element, value));
  };
};

const concatArrays: OperatorBuilder = (operand, scope, compile) => {
  const evaluates = positional('$concatArrays', operand, scope, compile, 0, MANY);
  return (env) => {
    const joined: Value[] = [];
    for (const evaluate of evaluates) {
      const value = evaluate(env);
      if (isNullish(value)) return null;
      if (!Array.isArray(value))
        throw new MongoError(28664, `$concatArrays only supports arrays, not ${typeName(value)}`);
      for (const element of value) joined.push(element);
    }
    return joined;
  };
};

const slice: OperatorBuilder = (operand, scope, compile) => {
  const [list, second, third] = positional('$slice', operand, scope, compile, 2, 3) as [Evaluate, Evaluate, Evaluate?];
  return (env) => {
    const array = list(env);
    const first = second(env);
    const count = third?.(env);
    if (isNullish(array) || isNullish(first) || (third !== undefined && isNullish(count))) return null;
    if (!Array.isArray(array)) {
      throw new MongoError(28724, `First argument to $slice must be an array, but is of type: ${typeName(array)}`);
    }
    const from = integer(
      first,
      () =>
        new MongoError(28725, `Second argument to $slice must be a numeric value, but is of type: ${typeName(first)}`),
    );
    if (third === undefined) return from >= 0 ? array.slice(0, from) : array.slice(from);
    const length = integer(
      count,
      () => new MongoError(28727, `Third argument to $slice must be numeric, but is of type: ${typeName(count)}`),
    );
    if (length <= 0) throw new MongoError(28729, `Third argument to $slice must be positive: ${length}`);
    const start = from >= 0 ? from : Math.max(array.length + from, 0);
    return array.slice(start, start + length);
  };
};

const range: OperatorBuilder = (operand, scope, compile) => {
  const evaluates = positional('$range', operand, scope, compile, 2, 3);
  return (env) => {
    const [start, end, step = 1] = evaluates.map((evaluate) => {
      const value = evaluate(env);
      return integer(
        value,
        () => new MongoError(34443, `$range requires a numeric value, found value of type:${typeName(value)}`),
      );
    }) as [number, number, number?];
    if (step === 0) throw new MongoError(34449, '$range requires a non-zero step value');
    const values: Value[] = [];
    for (let at = start; step > 0 ? at < end : at > end; at += step) values.push(at);
    return values;
  };
};

const indexOfArray: OperatorBuilder = (operand, scope, compile) => {
  const [list, needle, start, end] = positional('$indexOfArray', operand, scope, compile, 2, 4) as Evaluate[];
  return (env) => {
    const array = list?.(env);
    if (isNullish(array)) return null;
    if (!Array.isArray(array))
      throw new MongoError(40090, `$indexOfArray requires an array as a first argument, found: ${typeName(array)}`);
    const wanted = needle?.(env);
    const from = bound(start, env, 0);
    const to = Math.min(bound(end, env, array.length), array.length);
    for (let i = from; i < to; i++) if (scope.ordering.equals(array[i], wanted)) return i;
    return -1;
  };
};

function bound(evaluate: Evaluate | undefined, env: Environment, otherwise: number): number {
  if (evaluate === undefined) return otherwise;
  const value = evaluate(env);
  return integer(
    value,
    () => new MongoError(40096, `$indexOfArray requires an integral index, found a value of type: ${typeName(value)}`),
  );
}

const reverseArray: OperatorBuilder = (operand, scope, compile) => {
  const [evaluate] = positional('$reverseArray', operand, scope, compile, 1) as [Evaluate];
  return (env) => {
    const value = evaluate(env);
    if (isNullish(value)) return null;
    if (!Array.isArray(value))
      throw new MongoError(
        34435,
        `The argument to $reverseArray must be an array, but was of type: ${typeName(value)}`,
      );
    return value.toReversed();
  };
};

const zip: OperatorBuilder = (operand, scope, compile) => {
  const parts = named('$zip', operand, scope, compile, ['inputs'], ['useLongestLength', 'defaults']);
  const inputs = parts.inputs as Evaluate;
  return (env) => {
    const arrays = inputs(env);
    if (!Array.isArray(arrays))
      throw new MongoError(34461, `inputs must be an array of expressions, found ${typeName(arrays)}`);
    if (arrays.some(isNullish)) return null;
    const lists = arrays.map((array) => {
      if (!Array.isArray(array))
        throw new MongoError(34468, `$zip found a non-array expression in input: ${typeName(array)}`);
      return array;
    });
    const defaults = parts.defaults?.(env);
    const longest = isTrue(parts.useLongestLength?.(env));
    const lengths = lists.map((list) => list.length);
    const length = lengths.length === 0 ? 0 : longest ? Math.max(...lengths) : Math.min(...lengths);
    return Array.from({ length }, (_, i) =>
      lists.map((list, k) => list[i] ?? (Array.isArray(defaults) ? (defaults[k] ?? null) : null)),
    );
  };
};

/** Manual: reference/operator/aggregation, "Array Expression Operators". */
export const arrayOperators: Record<string, OperatorBuilder> = {
  ...loopOperators,
  ...orderOperators,
  $size: size,
  $arrayElemAt: arrayElemAt,
  $first: endOf(false),
  $last: endOf(true),
  $in: isIn,
  $concatArrays: concatArrays,
  $slice: slice,
  $range: range,
  $indexOfArray: indexOfArray,
  $reverseArray: reverseArray,
  $zip: zip,
  $isArray: (operand, scope, compile) => {
    const [evaluate] = positional('$isArray', operand, scope, compile, 1) as [Evaluate];
    return (env) => Array.isArray(evaluate(env));
  },
};
