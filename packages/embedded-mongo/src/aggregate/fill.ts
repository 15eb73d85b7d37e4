import { Doc, type Value } from '../bson/values.ts';
import { failedToParse, MongoError } from '../errors.ts';

/** `$fill` (manual: reference/operator/aggregation/fill), in terms of `$setWindowFields` and `$set`. */
export function fillStages(specification: Value): Doc[] {
  if (!(specification instanceof Doc)) throw failedToParse('The argument to $fill must be an object');
  for (const key of specification.keys) {
    if (!['partitionBy', 'partitionByFields', 'sortBy', 'output'].includes(key)) {
      throw new MongoError(40415, `BSON field '$fill.${key}' is an unknown field.`);
    }
  }
  const output = specification.get('output');
  if (!(output instanceof Doc))
    throw new MongoError(40414, "BSON field '$fill.output' is missing but a required field");
  const sortBy = specification.get('sortBy');
  const windows: [string, Value][] = [];
  const values: [string, Value][] = [];
  for (const [path, field] of output.entries()) {
    if (!(field instanceof Doc) || field.size !== 1)
      throw failedToParse(`$fill output '${path}' must have 'value' or 'method'`);
    const [kind] = field.keys;
    const operand = field.values[0] as Value;
    if (kind === 'value') values.push([path, Doc.of({ $ifNull: [`$${path}`, operand] })]);
    else if (kind !== 'method') throw failedToParse(`$fill output '${path}' must have 'value' or 'method'`);
    else if (operand === 'locf') windows.push([path, Doc.of({ $locf: `$${path}` })]);
    else if (operand === 'linear') windows.push([path, Doc.of({ $linearFill: `$${path}` })]);
    else throw new MongoError(6050202, 'Method must be either locf or linear');
  }
  if (windows.length > 0 && sortBy === undefined) {
    throw failedToParse('sortBy is required when an output field is filled by a method');
  }
  const stages: Doc[] = [];
  if (windows.length > 0) {
    const window = Doc.of({ partitionBy: partitionOf(specification), sortBy, output: docOf(windows) });
    stages.push(Doc.of({ $setWindowFields: window }));
  } else if (sortBy !== undefined) {
    stages.push(Doc.of({ $sort: sortBy }));
  }
  if (values.length > 0) stages.push(Doc.of({ $set: docOf(values) }));
  return stages;
}

function partitionOf(specification: Doc): Value | undefined {
  const fields = specification.get('partitionByFields');
  const expression = specification.get('partitionBy');
  if (fields === undefined) return expression;
  if (expression !== undefined) {
    throw new MongoError(6050204, 'Maximum one of partitionBy and partitionByFields can be specified in $fill');
  }
  if (!Array.isArray(fields)) throw new MongoError(14, "BSON field '$fill.partitionByFields' must be an array");
  const paths = fields.map((path) => {
    if (typeof path !== 'string' || path.startsWith('$')) {
      throw new MongoError(6050203, 'Each partitionByFields has to be a field name without $');
    }
    return path;
  });
  return new Doc(
    paths.map((path) => path.replaceAll('.', '_')),
    paths.map((path) => `$${path}`),
  );
}

function docOf(entries: [string, Value][]): Doc {
  return new Doc(
    entries.map(([name]) => name),
    entries.map(([, value]) => value),
  );
}
