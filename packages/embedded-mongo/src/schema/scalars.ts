import { remainder } from '../bson/arithmetic.ts';
import { compareNumbers, equals } from '../bson/compare.ts';
import { type Doc, isNumeric, type Numeric, toDouble, type Value } from '../bson/values.ts';
import { failedToParse, typeMismatch } from '../errors.ts';
import { toRegExp } from '../query/regex.ts';
import { type KeywordBuilder, typeTest } from './keyword.ts';
import { failure } from './report.ts';

const ofType =
  (keyword: string): KeywordBuilder =>
  (operand) => {
    const test = typeTest(keyword, operand);
    return (value) => (test(value) ? undefined : failure(keyword, operand, 'type did not match', value, true));
  };

const enumeration: KeywordBuilder = (operand) => {
  if (!Array.isArray(operand)) throw typeMismatch("$jsonSchema keyword 'enum' must be an array");
  if (operand.length === 0) throw failedToParse("$jsonSchema keyword 'enum' cannot be an empty array");
  if (operand.some((a, i) => operand.findIndex((b) => equals(a, b)) !== i)) {
    throw failedToParse("$jsonSchema keyword 'enum' array cannot contain duplicate values.");
  }
  return (value) =>
    operand.some((entry) => equals(entry, value))
      ? undefined
      : failure('enum', operand, 'value was not found in enum', value);
};

/** `minimum` and `maximum`, whose `exclusive` flags stand beside them as in draft 4. */
function limit(keyword: string, exclusive: string, direction: number): KeywordBuilder {
  return (operand, schema: Doc) => {
    if (!isNumeric(operand)) throw typeMismatch(`$jsonSchema keyword '${keyword}' must be a number`);
    const strict = schema.get(exclusive) === true;
    return (value) => {
      if (!isNumeric(value)) return undefined;
      const difference = compareNumbers(value, operand) * direction;
      return difference > 0 || (!strict && difference === 0)
        ? undefined
        : failure(keyword, operand, 'comparison failed', value);
    };
  };
}

export function wholeOperand(keyword: string, operand: Value): number {
  const number = isNumeric(operand) ? toDouble(operand) : Number.NaN;
  if (Number.isNaN(number)) throw typeMismatch(`$jsonSchema keyword '${keyword}' must be a number`);
  if (!Number.isInteger(number) || number < 0) {
    throw failedToParse(`$jsonSchema keyword '${keyword}' must be a non-negative integer`);
  }
  return number;
}

/** Lengths of strings are counted in code points. */
function length(keyword: string, accepts: (length: number, limit: number) => boolean): KeywordBuilder {
  return (operand) => {
    const bound = wholeOperand(keyword, operand);
    return (value) =>
      typeof value !== 'string' || accepts([...value].length, bound)
        ? undefined
        : failure(keyword, operand, 'specified string length was not satisfied', value);
  };
}

const pattern: KeywordBuilder = (operand) => {
  if (typeof operand !== 'string') throw typeMismatch("$jsonSchema keyword 'pattern' must be a string");
  const expression = toRegExp(operand, '');
  return (value) =>
    typeof value !== 'string' || expression.test(value)
      ? undefined
      : failure('pattern', operand, 'regular expression did not match', value);
};

const multipleOf: KeywordBuilder = (operand) => {
  if (!isNumeric(operand)) throw typeMismatch("$jsonSchema keyword 'multipleOf' must be a number");
  if (!(toDouble(operand) > 0)) throw failedToParse("$jsonSchema keyword 'multipleOf' must have a positive value");
  return (value) =>
    !isNumeric(value) || compareNumbers(remainder(value, operand as Numeric), 0) === 0
      ? undefined
      : failure('multipleOf', operand, 'considered value is not a multiple of the specified value', value);
};

export const scalarKeywords: Record<string, KeywordBuilder> = {
  bsonType: ofType('bsonType'),
  type: ofType('type'),
  enum: enumeration,
  minimum: limit('minimum', 'exclusiveMinimum', 1),
  maximum: limit('maximum', 'exclusiveMaximum', -1),
  minLength: length('minLength', (size, bound) => size >= bound),
  maxLength: length('maxLength', (size, bound) => size <= bound),
  pattern,
  multipleOf,
};
