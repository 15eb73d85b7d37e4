import { splitPath, visitPath } from '../bson/path.ts';
import { Doc, type Value } from '../bson/values.ts';
import { compileSchema } from '../schema/schema.ts';
import { Matcher } from './match.ts';
import { typeName } from './types.ts';

/** What each operator says when a value does not satisfy it. */
const REASONS: Record<string, string> = {
  $eq: 'comparison failed',
  $lt: 'comparison failed',
  $lte: 'comparison failed',
  $gt: 'comparison failed',
  $gte: 'comparison failed',
  $ne: 'comparison succeeded',
  $in: 'no matching value found in array',
  $nin: 'matching value found in array',
  $exists: 'path does not exist',
  $type: 'type did not match',
  $regex: 'regular expression did not match',
  $mod: '$mod did not evaluate to expected remainder',
  $size: 'array length was not equal to given size',
  $elemMatch: 'array did not satisfy the child predicate',
};

/**
 * Why a document does not satisfy a validator, in MongoDB's shape (manual: core/schema-validation/handle-invalid-documents):
 * the operators that failed, the values they looked at, and of a schema the rules.
 */
export function explainFailure(filter: Doc, doc: Doc): Doc {
  const clauses = [...filter.entries()].flatMap(([key, value]) => clausesOf(key, value));
  if (clauses.length === 1) return explainClause(clauses[0] as Doc, doc);
  return Doc.of({ operatorName: '$and', clausesNotSatisfied: unsatisfied(clauses, doc) });
}

/** One clause for each operator. */
function clausesOf(key: string, value: Value): Doc[] {
  const isOperators = value instanceof Doc && value.keys[0]?.startsWith('$') === true;
  if (key.startsWith('$') || !isOperators) return [new Doc([key], [value])];
  return value.keys
    .filter((operator) => operator !== '$options')
    .map((operator) => {
      const operand = value.get(operator) as Value;
      const options = operator === '$regex' ? value.get('$options') : undefined;
      const only = new Doc([operator], [operand]);
      return new Doc([key], [options === undefined ? only : only.with('$options', options)]);
    });
}

function unsatisfied(clauses: readonly Value[], doc: Doc): Doc[] {
  return clauses.flatMap((clause, index) => {
    if (!(clause instanceof Doc) || new Matcher(clause).matches(doc)) return [];
    return [Doc.of({ index, details: explainFailure(clause, doc) })];
  });
}

function explainClause(clause: Doc, doc: Doc): Doc {
  const key = clause.keys[0] as string;
  const value = clause.values[0] as Value;
  switch (key) {
    case '$and':
    case '$or':
      return Doc.of({ operatorName: key, clausesNotSatisfied: unsatisfied(value as Value[], doc) });
    case '$nor':
      return Doc.of({ operatorName: key, clausesSatisfied: satisfied(value as Value[], doc) });
    case '$jsonSchema': {
      const { title, description, failures } = compileSchema(value);
      return Doc.of({ operatorName: key, title, description, schemaRulesNotSatisfied: failures(doc, true) });
    }
    case '$expr':
      return Doc.of({
        operatorName: key,
        specifiedAs: clause,
        reason: 'expression did not match',
        expressionResult: false,
      });
    default:
      return explainField(key, value, clause, doc);
  }
}

function satisfied(clauses: readonly Value[], doc: Doc): Doc[] {
  return clauses.flatMap((clause, index) => {
    if (!(clause instanceof Doc) || !new Matcher(clause).matches(doc)) return [];
    return [Doc.of({ index, details: Doc.of({ operatorName: clause.keys[0], specifiedAs: clause }) })];
  });
}

function explainField(path: string, condition: Value, specifiedAs: Doc, doc: Doc): Doc {
  const first = condition instanceof Doc ? condition.keys[0] : undefined;
  const operatorName = first?.startsWith('$') === true ? first : '$eq';
  if (operatorName === '$not') return Doc.of({ operatorName, specifiedAs, reason: 'child expression matched' });
  const considered: Value[] = [];
  visitPath(doc, splitPath(path), 0, (found) => {
    if (found !== undefined) considered.push(found);
    return false;
  });
  if (considered.length === 0) {
    const reason = operatorName === '$exists' ? 'path does not exist' : 'field was missing';
    return Doc.of({ operatorName, specifiedAs, reason });
  }
  const single = considered.length === 1;
  return Doc.of({
    operatorName,
    specifiedAs,
    reason: operatorName === '$exists' ? 'path does exist' : (REASONS[operatorName] ?? 'expression did not match'),
    consideredValue: single ? considered[0] : undefined,
    consideredValues: single ? undefined : considered,
    consideredType: operatorName === '$type' && single ? typeName(considered[0]) : undefined,
  });
}
