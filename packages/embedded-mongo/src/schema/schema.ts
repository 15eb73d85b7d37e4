import { Doc, type Value } from '../bson/values.ts';
import { failedToParse, typeMismatch } from '../errors.ts';
import { arrayKeywords } from './arrays.ts';
import type { KeywordBuilder, Rule, Schema } from './keyword.ts';
import { logicalKeywords } from './logical.ts';
import { objectKeywords } from './objects.ts';
import { scalarKeywords } from './scalars.ts';

const keywords: Record<string, KeywordBuilder> = {
  ...scalarKeywords,
  ...arrayKeywords,
  ...objectKeywords,
  ...logicalKeywords,
};

/** They accompany other keywords, or say nothing about values. */
const SILENT = new Set(['title', 'description', 'additionalItems', 'exclusiveMinimum', 'exclusiveMaximum']);
const UNSUPPORTED = new Set(['$ref', '$schema', 'default', 'definitions', 'format', 'id']);

/** Manual: reference/operator/query/jsonSchema. Draft 4 of JSON Schema with `bsonType`, and MongoDB's omissions. */
export function compileSchema(schema: Value, name = '$jsonSchema'): Schema {
  if (!(schema instanceof Doc)) throw typeMismatch(`${name} must be an object`);
  for (const text of ['title', 'description']) {
    const value = schema.get(text);
    if (value !== undefined && typeof value !== 'string') {
      throw typeMismatch(`$jsonSchema keyword '${text}' must be of type string`);
    }
  }
  if (schema.has('type') && schema.has('bsonType')) {
    throw failedToParse("Cannot specify both $jsonSchema keywords 'type' and 'bsonType'");
  }
  for (const [exclusive, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (!schema.has(exclusive)) continue;
    if (typeof schema.get(exclusive) !== 'boolean')
      throw typeMismatch(`$jsonSchema keyword '${exclusive}' must be a boolean`);
    if (!schema.has(bound)) {
      throw failedToParse(`$jsonSchema keyword '${bound}' must be a present if ${exclusive} is present`);
    }
  }
  const rules: Rule[] = [];
  for (const [keyword, operand] of schema.entries()) {
    if (SILENT.has(keyword)) continue;
    if (UNSUPPORTED.has(keyword)) {
      throw failedToParse(`$jsonSchema keyword '${keyword}' is not currently supported`);
    }
    const build = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined;
    if (build === undefined) throw failedToParse(`Unknown $jsonSchema keyword: ${keyword}`);
    rules.push(build(operand, schema, compileSchema));
  }
  // An `items` or `properties` without its keyword still stands for its additional part.
  if (schema.has('additionalItems') && !schema.has('items')) checkAdditional(schema.get('additionalItems') as Value);
  return {
    title: schema.get('title'),
    description: schema.get('description'),
    failures(value, explain) {
      if (value === undefined) return [];
      const found: Doc[] = [];
      for (const rule of rules) {
        const failure = rule(value, explain);
        if (failure === undefined) continue;
        found.push(failure);
        if (!explain) break;
      }
      return found;
    },
  };
}

function checkAdditional(value: Value): void {
  if (typeof value !== 'boolean' && !(value instanceof Doc)) {
    throw typeMismatch("$jsonSchema keyword 'additionalItems' must be either an object or a boolean");
  }
}
