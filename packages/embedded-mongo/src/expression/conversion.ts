import { fitsLong, toDecimal } from '../bson/arithmetic.ts';
import { Decimal } from '../bson/decimal.ts';
import { Binary, DateTime, Doc, Double, isNumeric, ObjectId, Timestamp, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { isNullish, named, positional } from './arguments.ts';
import { binaryFrom, formatOf, subtypeOf, textOfBinary } from './bin-data.ts';
import { isTrue } from './compile.ts';
import { parseIsoDate } from './date-format.ts';
import type { Evaluate, OperatorBuilder } from './scope.ts';

function failure(value: Value, to: string, why: string): MongoError {
  return new MongoError(
    ErrorCode.ConversionFailure,
    `Failed to parse or convert ${typeName(value)} to ${to} in $convert with no onError value: ${why}`,
  );
}

function unsupported(value: Value, to: string): MongoError {
  return new MongoError(
    ErrorCode.ConversionFailure,
    `Unsupported conversion from ${typeName(value)} to ${to} in $convert with no onError value`,
  );
}

/** A number as the manual's `$toString` prints it. */
export function asText(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof Double) return doubleText(value.value);
  if (value instanceof DateTime) return new Date(value.ms).toISOString();
  if (value instanceof ObjectId) return value.toHex();
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof Decimal) return value.toString();
  if (value instanceof Binary) return textOfBinary(value, 'auto');
  throw unsupported(value, 'string');
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return String(value);
}

function asDouble(value: Value): Value {
  if (isNumeric(value)) return new Double(toDouble(value));
  if (typeof value === 'boolean') return new Double(value ? 1 : 0);
  if (value instanceof DateTime) return new Double(value.ms);
  if (typeof value === 'string') {
    const number = numberFrom(value, 'double');
    return new Double(number);
  }
  throw unsupported(value, 'double');
}

function numberFrom(text: string, to: string): number {
  const special: Record<string, number> = {
    NaN: Number.NaN,
    Infinity: Number.POSITIVE_INFINITY,
    '-Infinity': Number.NEGATIVE_INFINITY,
  };
  const known = special[text];
  if (known !== undefined) return known;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) {
    throw failure(text, to, `Failed to parse number '${text}' in $convert with no onError value`);
  }
  return Number(text);
}

const INT_MIN = -(2n ** 31n);
const INT_MAX = 2n ** 31n - 1n;

function asInteger(value: Value, to: 'int' | 'long'): bigint {
  let whole: bigint;
  if (typeof value === 'boolean') whole = value ? 1n : 0n;
  else if (typeof value === 'string') {
    if (!/^[+-]?\d+$/.test(value))
      throw failure(value, to, `Failed to parse number '${value}' in $convert with no onError value`);
    whole = BigInt(value.replace(/^\+/, ''));
  } else if (value instanceof DateTime && to === 'long') whole = BigInt(value.ms);
  else if (typeof value === 'number' || typeof value === 'bigint') whole = BigInt(value);
  else if (isNumeric(value)) {
    const number = toDouble(value);
    if (!Number.isFinite(number))
      throw failure(value, to, `Attempt to convert ${Number.isNaN(number) ? 'NaN' : 'infinity'} value to integer type`);
    whole = value instanceof Decimal ? BigInt(wholePart(value)) : BigInt(Math.trunc(number));
  } else throw unsupported(value, to);
  const inRange = to === 'int' ? whole >= INT_MIN && whole <= INT_MAX : fitsLong(whole);
  if (!inRange)
    throw failure(
      value,
      to,
      `Conversion would overflow target type in $convert with no onError value: ${asText(value)}`,
    );
  return whole;
}

function wholePart(value: Decimal): bigint {
  const scale = 10n ** BigInt(Math.abs(value.exponent));
  return value.exponent >= 0 ? value.coefficient * scale : value.coefficient / scale;
}

function asDate(value: Value): Value {
  if (value instanceof DateTime) return value;
  if (value instanceof ObjectId) return new DateTime(value.seconds * 1000);
  if (value instanceof Timestamp) return new DateTime(value.seconds * 1000);
  if (typeof value === 'string') return new DateTime(parseIsoDate(value));
  if (typeof value === 'number') throw unsupported(value, 'date');
  if (isNumeric(value)) return new DateTime(Number(asInteger(value, 'long')));
  throw unsupported(value, 'date');
}

function asDecimal(value: Value): Value {
  if (isNumeric(value)) return toDecimal(value);
  if (typeof value === 'boolean') return toDecimal(value ? 1 : 0);
  if (value instanceof DateTime) return toDecimal(BigInt(value.ms));
  if (typeof value === 'string') {
    try {
      return Decimal.parse(value);
    } catch {
      throw failure(value, 'decimal', `Failed to parse number '${value}' in $convert with no onError value`);
    }
  }
  throw unsupported(value, 'decimal');
}

function asObjectId(value: Value): Value {
  if (value instanceof ObjectId) return value;
  if (typeof value !== 'string') throw unsupported(value, 'objectId');
  if (!/^[0-9a-fA-F]{24}$/.test(value)) {
    throw failure(
      value,
      'objectId',
      `Failed to parse objectId '${value}' in $convert with no onError value: Invalid string length for parsing to OID, expected 24 but found ${value.length}`,
    );
  }
  return ObjectId.fromHex(value);
}

const CONVERSIONS: Record<string, (value: Value) => Value> = {
  double: asDouble,
  string: asText,
  objectId: asObjectId,
  bool: (value) => (isNumeric(value) ? toDouble(value) !== 0 : isTrue(value)),
  date: asDate,
  int: (value) => Number(asInteger(value, 'int')),
  long: (value) => asInteger(value, 'long'),
  decimal: asDecimal,
};
const BY_NUMBER: Record<number, string> = {
  1: 'double',
  2: 'string',
  5: 'binData',
  7: 'objectId',
  8: 'bool',
  9: 'date',
  16: 'int',
  18: 'long',
  19: 'decimal',
};

function conversionTo(type: Value | undefined, format: Value | undefined): (value: Value) => Value {
  const named = type instanceof Doc ? type.get('type') : type;
  const name = isNumeric(named) ? BY_NUMBER[toDouble(named)] : typeof named === 'string' ? named : undefined;
  if (name === 'binData') {
    const subtype = subtypeOf(type);
    return (value) => {
      if (value instanceof Binary) return binaryFrom(value, 'auto', subtype);
      if (format === undefined)
        throw new MongoError(4341115, "Format must be specified when converting from 'string' to 'binData'");
      return binaryFrom(value, formatOf(format), subtype);
    };
  }
  if (name === 'string') {
    return (value) => (value instanceof Binary ? textOfBinary(value, formatOf(format ?? 'base64')) : asText(value));
  }
  const convert = name === undefined || !Object.hasOwn(CONVERSIONS, name) ? undefined : CONVERSIONS[name];
  if (convert === undefined) throw new MongoError(ErrorCode.BadValue, `Unknown type name: ${String(named)}`);
  return convert;
}

const convertOperator: OperatorBuilder = (operand, scope, compile) => {
  const parts = named(
    '$convert',
    operand,
    scope,
    compile,
    ['input', 'to'],
    ['onError', 'onNull', 'format', 'byteOrder'],
  );
  const input = parts.input as Evaluate;
  const to = parts.to as Evaluate;
  return (env) => {
    const value = input(env);
    const target = to(env);
    if (isNullish(value)) return parts.onNull === undefined ? null : parts.onNull(env);
    if (isNullish(target)) return null;
    const format = parts.format?.(env);
    if (parts.format !== undefined && isNullish(format)) return null;
    const convert = conversionTo(target, format);
    try {
      return convert(value);
    } catch (error) {
      if (parts.onError !== undefined && error instanceof MongoError) return parts.onError(env);
      throw error;
    }
  };
};

function shorthand(type: string): OperatorBuilder {
  const convert = CONVERSIONS[type] as (value: Value) => Value;
  return (operand, scope, compile, name) => {
    const [evaluate] = positional(name, operand, scope, compile, 1) as [Evaluate];
    return (env) => {
      const value = evaluate(env);
      return isNullish(value) ? null : convert(value);
    };
  };
}

/** Manual: reference/operator/aggregation, "Type Expression Operators". */
export const conversionOperators: Record<string, OperatorBuilder> = {
  $convert: convertOperator,
  $toDouble: shorthand('double'),
  $toString: shorthand('string'),
  $toObjectId: shorthand('objectId'),
  $toBool: shorthand('bool'),
  $toDate: shorthand('date'),
  $toInt: shorthand('int'),
  $toLong: shorthand('long'),
  $toDecimal: shorthand('decimal'),
  $toUUID: (operand, scope, compile) => {
    const [evaluate] = positional('$toUUID', operand, scope, compile, 1) as [Evaluate];
    return (env) => {
      const value = evaluate(env);
      return isNullish(value) ? null : binaryFrom(value, 'uuid', 4);
    };
  },
  $type: (operand, scope, compile) => {
    const [evaluate] = positional('$type', operand, scope, compile, 1) as [Evaluate];
    return (env) => typeName(evaluate(env));
  },
  $isNumber: (operand, scope, compile) => {
    const [evaluate] = positional('$isNumber', operand, scope, compile, 1) as [Evaluate];
    return (env) => isNumeric(evaluate(env));
  },
};
