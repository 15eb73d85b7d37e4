import { Doc, type Value } from '../bson/values.ts';
import { failedToParse, typeMismatch } from '../errors.ts';
import type { KeywordBuilder, Schema } from './keyword.ts';

function list(keyword: string, operand: Value, compile: (schema: Value, name: string) => Schema): Schema[] {
  if (!Array.isArray(operand)) throw typeMismatch(`$jsonSchema keyword '${keyword}' must be an array`);
  if (operand.length === 0) throw failedToParse(`$jsonSchema keyword '${keyword}' must be a non-empty array`);
  return operand.map((schema) => compile(schema, keyword));
}

/** Accepts by how many of the schemas the value satisfies. */
function combination(keyword: string, accepts: (satisfied: number, all: number) => boolean): KeywordBuilder {
  return (operand, _schema, compile) => {
    const schemas = list(keyword, operand, compile);
    return (value, explain) => {
      const results = schemas.map((schema) => schema.failures(value, explain));
      const satisfied = results.filter((failures) => failures.length === 0).length;
      if (accepts(satisfied, schemas.length)) return undefined;
      if (satisfied > 1 && keyword === 'oneOf') {
        const matchingSchemaIndexes = results.flatMap((failures, i) => (failures.length === 0 ? [i] : []));
        return Doc.of({ operatorName: keyword, reason: 'more than one subschema matched', matchingSchemaIndexes });
      }
      const schemasNotSatisfied = results.flatMap((details, index) =>
        details.length === 0 ? [] : [Doc.of({ index, details })],
      );
      return Doc.of({ operatorName: keyword, schemasNotSatisfied });
    };
  };
}

const not: KeywordBuilder = (operand, _schema, compile) => {
  const schema = compile(operand, 'not');
  return (value) =>
    schema.failures(value, false).length > 0
      ? undefined
      : Doc.of({ operatorName: 'not', reason: 'child expression matched' });
};

export const logicalKeywords: Record<string, KeywordBuilder> = {
  allOf: combination('allOf', (satisfied, all) => satisfied === all),
  anyOf: combination('anyOf', (satisfied) => satisfied > 0),
  oneOf: combination('oneOf', (satisfied) => satisfied === 1),
  not,
};
