import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { integer, isNullish } from './arguments.ts';
import { isTrue } from './compile.ts';
import type { Compile, Evaluate, OperatorBuilder, Scope } from './scope.ts';

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
      ? Number.MAX_SAFE_INTEGER
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

/** Manual: reference/operator/aggregation/filter, map and reduce. */
export const loopOperators: Record<string, OperatorBuilder> = { $filter: filter, $map: map, $reduce: reduce };
