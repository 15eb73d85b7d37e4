import { encodeDocument } from '../bson/encode.ts';
import { Binary, Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { isNullish, positional } from './arguments.ts';
import type { Evaluate, OperatorBuilder } from './scope.ts';

function integer(value: Value, name: string): number | bigint {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  throw new MongoError(14, `${name} only supports int and long operands, not ${typeName(value)}.`);
}

/** Of an int and a long the result is a long (manual: reference/operator/aggregation-bitwise). */
function bitwise(neutral: number, combine: (a: bigint, b: bigint) => bigint): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const evaluates = positional(name, operand, scope, compile, 0, Number.MAX_SAFE_INTEGER);
    return (env) => {
      let result: number | bigint = neutral;
      for (const evaluate of evaluates) {
        const value = evaluate(env);
        if (isNullish(value)) return null;
        const number = integer(value, name);
        const combined = combine(BigInt(result), BigInt(number));
        result = typeof result === 'bigint' || typeof number === 'bigint' ? combined : Number(combined);
      }
      return result;
    };
  };
}

const bitNot: OperatorBuilder = (operand, scope, compile, name) => {
  const [evaluate] = positional(name, operand, scope, compile, 1) as [Evaluate];
  return (env) => {
    const value = evaluate(env);
    return isNullish(value) ? null : ~integer(value, name);
  };
};

const binarySize: OperatorBuilder = (operand, scope, compile, name) => {
  const [evaluate] = positional(name, operand, scope, compile, 1) as [Evaluate];
  return (env) => {
    const value = evaluate(env);
    if (isNullish(value)) return null;
    if (typeof value === 'string') return Buffer.byteLength(value);
    if (value instanceof Binary) return value.bytes.length;
    throw new MongoError(51276, `$binarySize requires a string or BinData argument, found: ${typeName(value)}`);
  };
};

const bsonSize: OperatorBuilder = (operand, scope, compile, name) => {
  const [evaluate] = positional(name, operand, scope, compile, 1) as [Evaluate];
  return (env) => {
    const value = evaluate(env);
    if (isNullish(value)) return null;
    if (value instanceof Doc) return encodeDocument(value).length;
    throw new MongoError(31393, `$bsonSize requires a document input, found: ${typeName(value)}`);
  };
};

/** Manual: reference/operator/aggregation, "Bitwise Operators" and "Data Size Operators". */
export const binaryOperators: Record<string, OperatorBuilder> = {
  $bitAnd: bitwise(-1, (a, b) => a & b),
  $bitOr: bitwise(0, (a, b) => a | b),
  $bitXor: bitwise(0, (a, b) => a ^ b),
  $bitNot: bitNot,
  $binarySize: binarySize,
  $bsonSize: bsonSize,
};
