import { Doc, type Value } from '../bson/values.ts';
import { typeMismatch } from '../errors.ts';
import { encodeValue } from '../indexes/key.ts';
import type { KeywordBuilder, Schema } from './keyword.ts';
import { failure } from './report.ts';
import { wholeOperand } from './scalars.ts';

function size(keyword: string, accepts: (length: number, limit: number) => boolean): KeywordBuilder {
  return (operand) => {
    const bound = wholeOperand(keyword, operand);
    return (value) =>
      !Array.isArray(value) || accepts(value.length, bound)
        ? undefined
        : failure(keyword, operand, 'array did not match specified length', value);
  };
}

const uniqueItems: KeywordBuilder = (operand) => {
  if (typeof operand !== 'boolean') throw typeMismatch("$jsonSchema keyword 'uniqueItems' must be a boolean");
  return (value) => {
    if (!operand || !Array.isArray(value)) return undefined;
    const seen = new Set<string>();
    for (const element of value) {
      const key = encodeValue(element);
      if (seen.has(key)) {
        return failure('uniqueItems', operand, 'found a duplicate item', value).with('duplicatedValue', element);
      }
      seen.add(key);
    }
    return undefined;
  };
};

/** One schema for all elements, or one for each of the first; `additionalItems` is about the rest. */
const items: KeywordBuilder = (operand, schema, compile) => {
  if (operand instanceof Doc) {
    const each = compile(operand, 'items');
    return (value, explain) =>
      Array.isArray(value) ? firstFailing('items', value, 0, () => each, explain) : undefined;
  }
  if (!Array.isArray(operand)) {
    throw typeMismatch("$jsonSchema keyword 'items' must be an array or an object");
  }
  const schemas = operand.map((entry) => compile(entry, 'items'));
  const additional = schema.get('additionalItems') ?? true;
  const rest = additional instanceof Doc ? compile(additional, 'additionalItems') : undefined;
  return (value, explain) => {
    if (!Array.isArray(value)) return undefined;
    const among = firstFailing('items', value.slice(0, schemas.length), 0, (i) => schemas[i] as Schema, explain);
    if (among !== undefined) return among;
    if (rest !== undefined) return firstFailing('additionalItems', value, schemas.length, () => rest, explain);
    if (additional !== false || value.length <= schemas.length) return undefined;
    return Doc.of({
      operatorName: 'additionalItems',
      specifiedAs: Doc.of({ additionalItems: false }),
      reason: 'found additional items',
      additionalItems: value.slice(schemas.length),
    });
  };
};

function firstFailing(
  keyword: string,
  array: Value[],
  from: number,
  schemaOf: (at: number) => Schema,
  explain: boolean,
): Doc | undefined {
  for (let itemIndex = from; itemIndex < array.length; itemIndex++) {
    const details = schemaOf(itemIndex).failures(array[itemIndex], explain);
    if (details.length === 0) continue;
    const reason = 'At least one item did not match the sub-schema';
    return Doc.of({ operatorName: keyword, reason, itemIndex, details });
  }
  return undefined;
}

export const arrayKeywords: Record<string, KeywordBuilder> = {
  minItems: size('minItems', (length, bound) => length >= bound),
  maxItems: size('maxItems', (length, bound) => length <= bound),
  uniqueItems,
  items,
};
