import type { Doc, Value } from '../bson/values.ts';
import { failedToParse, MongoError, typeMismatch } from '../errors.ts';
import { typeMatcher, typeName } from '../query/types.ts';

/** A compiled schema: what a value fails to satisfy, as MongoDB reports it; nothing when it satisfies all. */
export interface Schema {
  readonly title: Value | undefined;
  readonly description: Value | undefined;
  /** Without `explain` only whether anything fails matters. */
  failures(value: Value | undefined, explain: boolean): Doc[];
}

/** One keyword: `undefined` when the value satisfies it or the keyword is not about values of that type. */
export type Rule = (value: Value, explain: boolean) => Doc | undefined;
export type KeywordBuilder = (operand: Value, schema: Doc, compile: (schema: Value, name: string) => Schema) => Rule;

/** `type` has JSON's names; `integer` is not among those that MongoDB knows. */
const JSON_TYPES: Record<string, string> = {
  object: 'object',
  array: 'array',
  number: 'number',
  boolean: 'bool',
  string: 'string',
  null: 'null',
};

export function typeTest(keyword: string, operand: Value): (value: Value) => boolean {
  const entries = Array.isArray(operand) ? operand : [operand];
  if (entries.length === 0) throw failedToParse(`$jsonSchema keyword '${keyword}' must name at least one type`);
  const names = entries.map((entry): Value => {
    if (typeof entry !== 'string') {
      throw typeMismatch(
        `$jsonSchema keyword '${keyword}' must be either a string or an array of strings, not ${typeName(entry)}`,
      );
    }
    if (keyword === 'bsonType') return entry;
    if (entry === 'integer') throw failedToParse("$jsonSchema type 'integer' is not currently supported.");
    const name = JSON_TYPES[entry];
    if (name === undefined) throw new MongoError(2, `Unknown type name alias: ${entry}`);
    return name;
  });
  return typeMatcher(names);
}
