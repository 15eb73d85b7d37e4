import { Decimal } from '../bson/decimal.ts';
import {
  Binary,
  BsonSymbol,
  Code,
  DateTime,
  DbPointer,
  Doc,
  Double,
  isNumeric,
  ObjectId,
  Regex,
  type Singleton,
  Timestamp,
  toDouble,
  type Value,
} from '../bson/values.ts';
import { badValue } from '../errors.ts';

/** The aliases of the manual's table of BSON types (reference/bson-types), by type number. */
const ALIASES: Record<string, number> = {
  double: 1,
  string: 2,
  object: 3,
  array: 4,
  binData: 5,
  undefined: 6,
  objectId: 7,
  bool: 8,
  date: 9,
  null: 10,
  regex: 11,
  dbPointer: 12,
  javascript: 13,
  symbol: 14,
  javascriptWithScope: 15,
  int: 16,
  timestamp: 17,
  long: 18,
  decimal: 19,
  minKey: -1,
  maxKey: 127,
};

/** The alias of a value's type, as `$type` in an expression returns it. */
export function typeName(value: Value | undefined): string {
  switch (typeof value) {
    case 'undefined':
      return 'missing';
    case 'number':
      return 'int';
    case 'bigint':
      return 'long';
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
  }
  if (value === null) return 'null';
  if (value instanceof Double) return 'double';
  if (value instanceof Doc) return 'object';
  if (Array.isArray(value)) return 'array';
  if (value instanceof ObjectId) return 'objectId';
  if (value instanceof DateTime) return 'date';
  if (value instanceof Decimal) return 'decimal';
  if (value instanceof Binary) return 'binData';
  if (value instanceof Regex) return 'regex';
  if (value instanceof Timestamp) return 'timestamp';
  if (value instanceof Code) return value.scope === undefined ? 'javascript' : 'javascriptWithScope';
  if (value instanceof BsonSymbol) return 'symbol';
  if (value instanceof DbPointer) return 'dbPointer';
  return (value as Singleton).name;
}

/** The test behind `$type`: aliases, numbers, or a list of both; `number` stands for all four. */
export function typeMatcher(operand: Value): (value: Value) => boolean {
  const entries = Array.isArray(operand) ? operand : [operand];
  if (entries.length === 0) throw badValue('$type must match at least one type');
  const wanted = new Set<number>();
  let anyNumber = false;
  for (const entry of entries) {
    if (entry === 'number') {
      anyNumber = true;
    } else if (typeof entry === 'string') {
      const number = ALIASES[entry];
      if (number === undefined) throw badValue(`Unknown type name alias: ${entry}`);
      wanted.add(number);
    } else if (isNumeric(entry)) {
      const number = toDouble(entry);
      if (!Object.values(ALIASES).includes(number)) throw badValue(`Invalid numerical type code: ${number}`);
      wanted.add(number);
    } else {
      throw badValue('type must be represented as a number or a string');
    }
  }
  return (value) => (anyNumber && isNumeric(value)) || wanted.has(ALIASES[typeName(value)] as number);
}
