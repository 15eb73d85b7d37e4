import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import type { Ordering } from '../collation/ordering.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { isNullish, named, positional } from './arguments.ts';
import { isTrue } from './compile.ts';
import type { Compile, Environment, Evaluate, OperatorBuilder, Scope } from './scope.ts';

const MANY = Number.MAX_SAFE_INTEGER;

function integer(value: Value | undefined, message: () => MongoError): number {
  const number = isNumeric(value) ? toDouble(value) : Number.NaN;
  if (!Number.isInteger(number)) throw message();
  return number;
}

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

interface Loop {
  readonly input: Evaluate;
  readonly slot: number;
  readonly body: Evaluate;
  readonly limit: Evaluate | undefined;
}

/** What `$filter` and `$map` share: a variable that takes each element in turn. */
function loop(name: string, operand: Value, scope: Scope, compile: Compile, bodyName: 'cond' | 'in'): Loop {
  if (!(operand instanceof Doc)) throw new MongoError(28646, `${name} only supports an object as its argument`);
  for (const key of operand.keys) {
    const known = key === 'input' || key === 'as' || key === bodyName || (key === 'limit' && name === '$filter');
    if (!known) throw new MongoError(28647, `Unrecognized parameter to ${name}: ${key}`);
  }
  const input = operand.get('input');
  const body = operand.get(bodyName);
  const as = operand.get('as') ?? 'this';
  if (input === undefined) throw new MongoError(28648, `Missing 'input' parameter to ${name}`);
  if (body === undefined) throw new MongoError(28650, `Missing '${bodyName}' parameter to ${name}`);
  if (typeof as !== 'string') throw new MongoError(28649, `${name}'s 'as' has to be a string`);
  const limit = operand.get('limit');
  const inner = scope.declare(as);
  return {
    input: compile(input, scope),
    slot: inner.slot,
    body: compile(body, inner.scope),
    limit: limit === undefined ? undefined : compile(limit, scope),
  };
}

const filter: OperatorBuilder = (operand, scope, compile) => {
  const { input, slot, body, limit } = loop('$filter', operand, scope, compile, 'cond');
  return (env) => {
    const array = input(env);
    if (isNullish(array)) return null;
    if (!Array.isArray(array)) throw new MongoError(28651, `input to $filter must be an array not ${typeName(array)}`);
    const wanted = limit?.(env);
    const most = isNullish(wanted)
      ? MANY
      : integer(wanted, () => new MongoError(327391, "$filter: 'limit' must be a positive integer"));
    const kept: Value[] = [];
    for (const element of array) {
      if (kept.length >= most) break;
      env.variables[slot] = element;
      if (isTrue(body(env))) kept.push(element);
    }
    return kept;
  };
};

const map: OperatorBuilder = (operand, scope, compile) => {
  const { input, slot, body } = loop('$map', operand, scope, compile, 'in');
  return (env) => {
    const array = input(env);
    if (isNullish(array)) return null;
    if (!Array.isArray(array)) throw new MongoError(16883, `input to $map must be an array not ${typeName(array)}`);
    return array.map((element) => {
      env.variables[slot] = element;
      return body(env) ?? null;
    });
  };
};

const reduce: OperatorBuilder = (operand, scope, compile) => {
  if (!(operand instanceof Doc)) throw new MongoError(40075, '$reduce requires an object as an argument');
  const parts = ['input', 'initialValue', 'in'].map((key) => {
    const part = operand.get(key);
    if (part === undefined) throw new MongoError(40077, `$reduce requires '${key}' to be specified`);
    return part;
  }) as [Value, Value, Value];
  const withThis = scope.declare('this');
  const withBoth = withThis.scope.declare('value');
  const input = compile(parts[0], scope);
  const initial = compile(parts[1], scope);
  const body = compile(parts[2], withBoth.scope);
  return (env) => {
    const array = input(env);
    if (isNullish(array)) return null;
    if (!Array.isArray(array))
      throw new MongoError(40080, `$reduce requires that 'input' be an array, found: ${typeName(array)}`);
    let value = initial(env);
    for (const element of array) {
      env.variables[withThis.slot] = element;
      env.variables[withBoth.slot] = value;
      value = body(env);
    }
    return value;
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
  $size: size,
  $arrayElemAt: arrayElemAt,
  $first: endOf(false),
  $last: endOf(true),
  $in: isIn,
  $concatArrays: concatArrays,
  $slice: slice,
  $filter: filter,
  $map: map,
  $reduce: reduce,
  $range: range,
  $indexOfArray: indexOfArray,
  $reverseArray: reverseArray,
  $sortArray: sortArray,
  $zip: zip,
  $isArray: (operand, scope, compile) => {
    const [evaluate] = positional('$isArray', operand, scope, compile, 1) as [Evaluate];
    return (env) => Array.isArray(evaluate(env));
  },
};
