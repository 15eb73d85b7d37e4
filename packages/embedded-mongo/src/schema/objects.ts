import { Doc, type Value } from '../bson/values.ts';
import { failedToParse, typeMismatch } from '../errors.ts';
import { toRegExp } from '../query/regex.ts';
import type { KeywordBuilder, Schema } from './keyword.ts';
import { FAILED, failure } from './report.ts';
import { wholeOperand } from './scalars.ts';

function names(keyword: string, operand: Value): string[] {
  if (!Array.isArray(operand)) throw typeMismatch(`$jsonSchema keyword '${keyword}' must be an array`);
  if (operand.length === 0) throw failedToParse(`$jsonSchema keyword '${keyword}' cannot be an empty array`);
  const found = operand.map((name) => {
    if (typeof name === 'string') return name;
    throw typeMismatch(`$jsonSchema keyword '${keyword}' must be an array of strings`);
  });
  if (new Set(found).size !== found.length) {
    throw failedToParse(`$jsonSchema keyword '${keyword}' array cannot contain duplicate values`);
  }
  return found;
}

const required: KeywordBuilder = (operand) => {
  const wanted = names('required', operand);
  return (value) => {
    if (!(value instanceof Doc)) return undefined;
    const missingProperties = wanted.filter((name) => !value.has(name));
    if (missingProperties.length === 0) return undefined;
    return Doc.of({ operatorName: 'required', specifiedAs: Doc.of({ required: operand }), missingProperties });
  };
};

function schemasOf(
  keyword: string,
  operand: Value,
  compile: (schema: Value, name: string) => Schema,
): [string, Schema][] {
  if (!(operand instanceof Doc)) throw typeMismatch(`$jsonSchema keyword '${keyword}' must be an object`);
  return [...operand.entries()].map(([name, schema]) => [name, compile(schema, name)]);
}

const properties: KeywordBuilder = (operand, _schema, compile) => {
  const schemas = schemasOf('properties', operand, compile);
  return (value, explain) => {
    if (!(value instanceof Doc)) return undefined;
    const unsatisfied: Doc[] = [];
    for (const [propertyName, schema] of schemas) {
      const details = schema.failures(value.get(propertyName), explain);
      if (details.length === 0) continue;
      if (!explain) return FAILED;
      const { title, description } = schema;
      unsatisfied.push(Doc.of({ propertyName, title, description, details }));
    }
    if (unsatisfied.length === 0) return undefined;
    return Doc.of({ operatorName: 'properties', propertiesNotSatisfied: unsatisfied });
  };
};

const patternProperties: KeywordBuilder = (operand, _schema, compile) => {
  const schemas = schemasOf('patternProperties', operand, compile).map(
    ([pattern, schema]) => ({ pattern, expression: toRegExp(pattern, ''), schema }) as const,
  );
  return (value, explain) => {
    if (!(value instanceof Doc)) return undefined;
    const details: Doc[] = [];
    for (const [propertyName, property] of value.entries()) {
      for (const { pattern, expression, schema } of schemas) {
        if (!expression.test(propertyName)) continue;
        const failures = schema.failures(property, explain);
        if (failures.length > 0) details.push(Doc.of({ propertyName, regexMatched: pattern, details: failures }));
      }
    }
    return details.length === 0 ? undefined : Doc.of({ operatorName: 'patternProperties', details });
  };
};

/** About the properties that neither `properties` nor `patternProperties` names. */
const additionalProperties: KeywordBuilder = (operand, schema, compile) => {
  if (typeof operand !== 'boolean' && !(operand instanceof Doc)) {
    throw typeMismatch("$jsonSchema keyword 'additionalProperties' must be an object or a boolean");
  }
  const [known, patterns] = [schema.get('properties'), schema.get('patternProperties')];
  const named = new Set(known instanceof Doc ? known.keys : []);
  const expressions = patterns instanceof Doc ? patterns.keys.map((pattern) => toRegExp(pattern, '')) : [];
  const rest = operand instanceof Doc ? compile(operand, 'additionalProperties') : undefined;
  return (value, explain) => {
    if (operand === true || !(value instanceof Doc)) return undefined;
    const others = value.keys.filter(
      (key) => !named.has(key) && !expressions.some((expression) => expression.test(key)),
    );
    const specifiedAs = Doc.of({ additionalProperties: operand });
    if (rest === undefined) {
      if (others.length === 0) return undefined;
      return Doc.of({ operatorName: 'additionalProperties', specifiedAs, additionalProperties: others });
    }
    for (const additionalProperty of others) {
      const details = rest.failures(value.get(additionalProperty), explain);
      if (details.length === 0) continue;
      const reason = 'at least one additional property did not match the subschema';
      return Doc.of({ operatorName: 'additionalProperties', specifiedAs, reason, additionalProperty, details });
    }
    return undefined;
  };
};

function count(keyword: string, accepts: (size: number, limit: number) => boolean): KeywordBuilder {
  return (operand) => {
    const bound = wholeOperand(keyword, operand);
    return (value) => {
      if (!(value instanceof Doc) || accepts(value.size, bound)) return undefined;
      const reason = 'specified number of properties was not satisfied';
      return failure(keyword, operand, reason, value).with('numberOfProperties', value.size);
    };
  };
}

/** A property that asks for others, by name or by a schema for the whole object. */
const dependencies: KeywordBuilder = (operand, _schema, compile) => {
  if (!(operand instanceof Doc)) throw typeMismatch("$jsonSchema keyword 'dependencies' must be an object");
  const rules = [...operand.entries()].map(([name, dependency]) => ({
    name,
    wanted: Array.isArray(dependency) ? names('dependencies', dependency) : [],
    schema: Array.isArray(dependency) ? undefined : compile(dependency, name),
  }));
  return (value, explain) => {
    if (!(value instanceof Doc)) return undefined;
    const failures: Doc[] = [];
    for (const { name, wanted, schema } of rules) {
      if (!value.has(name)) continue;
      const missingProperties = wanted.filter((property) => !value.has(property));
      const details = schema?.failures(value, explain) ?? [];
      if (missingProperties.length > 0) failures.push(Doc.of({ conditionalProperty: name, missingProperties }));
      if (details.length > 0) failures.push(Doc.of({ conditionalProperty: name, details }));
    }
    return failures.length === 0 ? undefined : Doc.of({ operatorName: 'dependencies', failingDependencies: failures });
  };
};

export const objectKeywords: Record<string, KeywordBuilder> = {
  required,
  properties,
  patternProperties,
  additionalProperties,
  minProperties: count('minProperties', (size, bound) => size >= bound),
  maxProperties: count('maxProperties', (size, bound) => size <= bound),
  dependencies,
};
