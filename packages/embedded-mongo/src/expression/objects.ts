import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { isNullish, named, positional } from './arguments.ts';
import type { Evaluate, OperatorBuilder } from './scope.ts';

/** The fields of the second document set in the first. */
export function mergeDocs(into: Doc, from: Doc): Doc {
  if (into.size === 0) return from;
  const keys = into.keys.slice();
  const values = into.values.slice();
  for (let i = 0; i < from.size; i++) {
    const key = from.keys[i] as string;
    const at = keys.indexOf(key);
    if (at >= 0) {
      values[at] = from.values[i] as Value;
    } else {
      keys.push(key);
      values.push(from.values[i] as Value);
    }
  }
  return new Doc(keys, values);
}

const mergeObjects: OperatorBuilder = (operand, scope, compile) => {
  const single = !Array.isArray(operand);
  const evaluates = positional('$mergeObjects', operand, scope, compile, 0, Number.MAX_SAFE_INTEGER);
  return (env) => {
    let merged = Doc.EMPTY;
    const merge = (value: Value | undefined): void => {
      if (isNullish(value)) return;
      if (!(value instanceof Doc)) {
        throw new MongoError(
          40400,
          `$mergeObjects requires object inputs, but input ${typeName(value)} is of type ${typeName(value)}`,
        );
      }
      merged = mergeDocs(merged, value);
    };
    for (const evaluate of evaluates) {
      const value = evaluate(env);
      // One operand that evaluates to an array stands for its elements.
      if (single && Array.isArray(value)) value.forEach(merge);
      else merge(value);
    }
    return merged;
  };
};

const objectToArray: OperatorBuilder = (operand, scope, compile) => {
  const [evaluate] = positional('$objectToArray', operand, scope, compile, 1) as [Evaluate];
  return (env) => {
    const value = evaluate(env);
    if (isNullish(value)) return null;
    if (!(value instanceof Doc)) {
      throw new MongoError(40390, `$objectToArray requires a document input, found: ${typeName(value)}`);
    }
    return value.keys.map((key, i) => new Doc(['k', 'v'], [key, value.values[i] as Value]));
  };
};

const arrayToObject: OperatorBuilder = (operand, scope, compile) => {
  const [evaluate] = positional('$arrayToObject', operand, scope, compile, 1) as [Evaluate];
  return (env) => {
    const list = evaluate(env);
    if (isNullish(list)) return null;
    if (!Array.isArray(list)) {
      throw new MongoError(40386, `$arrayToObject requires an array input, found: ${typeName(list)}`);
    }
    let built = Doc.EMPTY;
    for (const entry of list) {
      const [key, value] = pairOf(entry);
      built = mergeDocs(built, new Doc([key], [value]));
    }
    return built;
  };
};

function pairOf(entry: Value): [string, Value] {
  if (Array.isArray(entry)) {
    if (entry.length !== 2) {
      throw new MongoError(
        40397,
        `$arrayToObject requires an array of size 2 arrays,found array of size: ${entry.length}`,
      );
    }
    if (typeof entry[0] !== 'string') {
      throw new MongoError(
        40395,
        `$arrayToObject requires an array of key-value pairs, where the key must be of type string. Found key type: ${typeName(entry[0])}`,
      );
    }
    return [entry[0], entry[1] as Value];
  }
  if (!(entry instanceof Doc)) {
    throw new MongoError(40398, `Unrecognised input type format for $arrayToObject: ${typeName(entry)}`);
  }
  const key = entry.get('k');
  const value = entry.get('v');
  if (entry.size !== 2 || key === undefined || value === undefined) {
    throw new MongoError(
      40392,
      "$arrayToObject requires an object keys of 'k' and 'v'. Found incorrect number of keys or names",
    );
  }
  if (typeof key !== 'string') {
    throw new MongoError(
      40394,
      `$arrayToObject requires an object with keys 'k' and 'v', where the value of 'k' must be of type string. Found type: ${typeName(key)}`,
    );
  }
  return [key, value];
}

const getField: OperatorBuilder = (operand, scope, compile) => {
  const isLong = operand instanceof Doc && operand.has('field');
  const parts = isLong
    ? named('$getField', operand, scope, compile, ['field'], ['input'])
    : { field: compile(operand, scope), input: undefined };
  const field = parts.field as Evaluate;
  const input = parts.input;
  return (env) => {
    const name = field(env);
    if (typeof name !== 'string') {
      throw new MongoError(3041704, `$getField requires 'field' to evaluate to type String, but got ${typeName(name)}`);
    }
    const value = input === undefined ? env.root : input(env);
    if (value instanceof Doc) return value.get(name);
    return isNullish(value) && value !== undefined ? null : undefined;
  };
};

const setField: OperatorBuilder = (operand, scope, compile, name) => {
  const unset = name === '$unsetField';
  const parts = named(name, operand, scope, compile, unset ? ['field', 'input'] : ['field', 'input', 'value']);
  const { field, input, value } = parts as { field: Evaluate; input: Evaluate; value?: Evaluate };
  return (env) => {
    const key = field(env);
    if (typeof key !== 'string') {
      throw new MongoError(4161107, `${name} requires 'field' to evaluate to type String, but got ${typeName(key)}`);
    }
    const target = input(env);
    if (isNullish(target)) return null;
    if (!(target instanceof Doc)) {
      throw new MongoError(4161105, `${name} requires 'input' to evaluate to type Object, but got ${typeName(target)}`);
    }
    const fresh = value?.(env);
    return fresh === undefined ? target.without(key) : target.with(key, fresh);
  };
};

/** Manual: reference/operator/aggregation, "Object Expression Operators". */
export const objectOperators: Record<string, OperatorBuilder> = {
  $mergeObjects: mergeObjects,
  $objectToArray: objectToArray,
  $arrayToObject: arrayToObject,
  $getField: getField,
  $setField: setField,
  $unsetField: setField,
};
