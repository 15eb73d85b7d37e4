import { Bracket, bracketOf, equals } from '../bson/compare.ts';
import {
  Binary,
  BsonSymbol,
  Doc,
  Double,
  isNumeric,
  MAX_KEY,
  MIN_KEY,
  Regex,
  toDouble,
  type Value,
} from '../bson/values.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import { badValue } from '../errors.ts';
import { leaf, type ValueTest } from './leaf.ts';
import type { LeafNode, LeafOperator } from './node.ts';
import { toRegExp } from './regex.ts';
import { typeMatcher } from './types.ts';

/** The operators that look at one value (manual: reference/operator/query, "Comparison" to "Bitwise"). */
export function parseOperator(
  path: string,
  name: string,
  operand: Value,
  spread = true,
  ordering: Ordering = BINARY,
): LeafNode {
  switch (name) {
    case '$eq':
      return leaf(path, 'eq', operand, equalTo(operand, ordering), spread);
    case '$lt':
    case '$lte':
    case '$gt':
    case '$gte':
      if (operand instanceof Regex) throw badValue(`Can't have RegEx as arg to predicate over field '${path}'.`);
      return leaf(path, name.slice(1) as LeafOperator, operand, ordered(name.slice(1), operand, ordering), spread);
    case '$in':
      return inNode(path, operand, spread, ordering);
    case '$exists': {
      const wanted = truthy(operand);
      const node = leaf(path, 'exists', wanted, (value) => value !== undefined, false);
      if (wanted) return node;
      return { ...node, operator: 'other', matches: (doc) => !node.matches(doc) };
    }
    case '$type': {
      const test = typeMatcher(operand);
      return leaf(path, 'type', operand, (value) => value !== undefined && test(value), spread);
    }
    case '$size': {
      const size = wholeNumber('$size', operand);
      if (size < 0) throw badValue(`Failed to parse $size. Expected a non-negative number in: $size: ${size}`);
      return leaf(path, 'other', operand, (value) => Array.isArray(value) && value.length === size, false);
    }
    case '$mod':
      return leaf(path, 'other', operand, modulo(operand), spread);
    case '$bitsAllSet':
    case '$bitsAllClear':
    case '$bitsAnySet':
    case '$bitsAnyClear':
      return leaf(path, 'other', operand, bits(name, operand), spread);
    default:
      throw badValue(`unknown operator: ${name}`);
  }
}

function truthy(value: Value | undefined): boolean {
  if (value === undefined || value === null || value === false) return false;
  if (isNumeric(value)) return toDouble(value) !== 0;
  return !(typeof value === 'object' && 'name' in value && value.name === 'undefined');
}

function wholeNumber(name: string, operand: Value): number {
  if (!isNumeric(operand)) throw badValue(`Failed to parse ${name}. Expected a number in: ${name}: ${String(operand)}`);
  const value = toDouble(operand);
  if (!Number.isInteger(value)) throw badValue(`Failed to parse ${name}. Expected an integer: ${name}: ${value}`);
  return value;
}

/** `null` also matches a field that does not exist. */
function equalTo(operand: Value, ordering: Ordering): ValueTest {
  if (operand === null) return (value) => value === null || value === undefined;
  if (typeof operand === 'string' && ordering === BINARY) {
    return (value) => value === operand || (value instanceof BsonSymbol && value.value === operand);
  }
  return (value) => value !== undefined && ordering.equals(value, operand);
}

const ACCEPTS: Record<string, (difference: number) => boolean> = {
  lt: (difference) => difference < 0,
  lte: (difference) => difference <= 0,
  gt: (difference) => difference > 0,
  gte: (difference) => difference >= 0,
};

/** Range operators stay within the operand's bracket; only MinKey and MaxKey compare with every type. */
function ordered(operator: string, operand: Value, { compare }: Ordering): ValueTest {
  const accepts = ACCEPTS[operator] as (difference: number) => boolean;
  if (operand === null) {
    const withNull = accepts(0);
    return (value) => withNull && (value === null || value === undefined);
  }
  if (operand === MIN_KEY || operand === MAX_KEY) return (value) => accepts(compare(value ?? null, operand));
  const bracket = bracketOf(operand);
  if (bracket === Bracket.Number && isNumeric(operand)) {
    const operandIsNaN = Number.isNaN(toDouble(operand));
    return (value) => {
      if (!isNumeric(value)) return false;
      const valueIsNaN = typeof value === 'object' && Number.isNaN(toDouble(value));
      if (valueIsNaN || operandIsNaN) return valueIsNaN && operandIsNaN && accepts(0);
      return accepts(compare(value, operand));
    };
  }
  return (value) => value !== undefined && bracketOf(value) === bracket && accepts(compare(value, operand));
}

/** From this many values on, a set of encoded values beats comparing one by one. */
const SET_THRESHOLD = 8;

function inNode(path: string, operand: Value, spread: boolean, ordering: Ordering): LeafNode {
  if (!Array.isArray(operand)) throw badValue('$in needs an array');
  const regexes: Regex[] = [];
  const plain: Value[] = [];
  for (const entry of operand) {
    if (entry instanceof Doc && (entry.keys[0] ?? '').startsWith('$') && !/^\$(ref|id|db)$/.test(entry.keys[0] ?? '')) {
      throw badValue('cannot nest $ under $in');
    }
    if (entry instanceof Regex) regexes.push(entry);
    else plain.push(entry);
  }
  const regexTests = regexes.map(matchesRegex);
  let isIn: ValueTest;
  if (plain.length > SET_THRESHOLD) {
    const set = new Set(plain.map((value) => ordering.encode(value)));
    const withNull = plain.includes(null);
    isIn = (value) => (value === undefined ? withNull : set.has(ordering.encode(value)));
  } else {
    const tests = plain.map((value) => equalTo(value, ordering));
    isIn = (value) => tests.some((test) => test(value));
  }
  const test: ValueTest =
    regexTests.length === 0 ? isIn : (value) => isIn(value) || regexTests.some((matches) => matches(value));
  return leaf(path, 'in', plain, test, spread, { regexes });
}

/** A regular expression matches strings, and a stored expression that is the same. */
function matchesRegex(regex: Regex): ValueTest {
  const expression = toRegExp(regex.pattern, regex.options);
  return (value) => {
    if (typeof value === 'string') return expression.test(value);
    if (value instanceof BsonSymbol) return expression.test(value.value);
    return value instanceof Regex && equals(value, regex);
  };
}

export function regexNode(path: string, regex: Regex, spread = true): LeafNode {
  return leaf(path, 'regex', regex, matchesRegex(regex), spread);
}

function modulo(operand: Value): ValueTest {
  if (!Array.isArray(operand)) throw badValue('malformed mod, needs to be an array');
  if (operand.length < 2) throw badValue('malformed mod, not enough elements');
  if (operand.length > 2) throw badValue('malformed mod, too many elements');
  const [divisor, remainder] = operand.map((entry) => {
    if (!isNumeric(entry)) throw badValue('malformed mod, divisor or remainder is not a number');
    const value = toDouble(entry);
    if (!Number.isFinite(value))
      throw badValue("malformed mod, divisor value is invalid :: caused by :: Can't represent value");
    return BigInt(Math.trunc(value));
  }) as [bigint, bigint];
  if (divisor === 0n) throw badValue('divisor cannot be 0');
  return (value) => {
    if (!isNumeric(value)) return false;
    const number = typeof value === 'bigint' ? value : toDouble(value);
    if (typeof number === 'number' && !Number.isFinite(number)) return false;
    return BigInt(typeof number === 'number' ? Math.trunc(number) : number) % divisor === remainder;
  };
}

/** Bits of a number (two's complement, 64 bits) or of binary data, against a mask, positions or binary data. */
function bits(name: string, operand: Value): ValueTest {
  const positions = bitPositions(name, operand);
  const set = name.endsWith('Set');
  const all = name.startsWith('$bitsAll');
  return (value) => {
    const bitAt = bitReader(value);
    if (bitAt === undefined) return false;
    const holds = (position: number): boolean => bitAt(position) === set;
    return all ? positions.every(holds) : positions.some(holds);
  };
}

function bitPositions(name: string, operand: Value): number[] {
  if (Array.isArray(operand)) {
    return operand.map((entry) => {
      const position = isNumeric(entry) ? toDouble(entry) : Number.NaN;
      if (!Number.isInteger(position) || position < 0) {
        throw badValue(`Failed to parse bit position. Expected a non-negative integer in ${name}`);
      }
      return position;
    });
  }
  const bitAt = bitReader(operand);
  if (bitAt === undefined || (isNumeric(operand) && toDouble(operand) < 0)) {
    throw badValue(`${name} takes an Array, a number, or a BinData but received: ${String(operand)}`);
  }
  const length = operand instanceof Binary ? operand.bytes.length * 8 : 64;
  return Array.from({ length }, (_, i) => i).filter(bitAt);
}

function bitReader(value: Value | undefined): ((position: number) => boolean) | undefined {
  if (value instanceof Binary) {
    return (position) => (((value.bytes[position >> 3] ?? 0) >> (position & 7)) & 1) === 1;
  }
  if (!isNumeric(value)) return undefined;
  const number =
    typeof value === 'bigint'
      ? value
      : value instanceof Double || typeof value === 'number'
        ? toDouble(value)
        : undefined;
  if (number === undefined) return undefined;
  if (typeof number === 'number' && !Number.isSafeInteger(number)) return undefined;
  const integer = BigInt(number);
  return (position) => ((integer >> BigInt(Math.min(position, 63))) & 1n) === 1n;
}
