import { DateTime, Doc, ObjectId, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError } from '../errors.ts';
import { explainFailure } from '../query/explain-failure.ts';
import type { Matcher } from '../query/match.ts';
import type { TimeSeries } from './collection-kind.ts';

/** Manual: core/schema-validation. */
export function checkValid(validator: Matcher | undefined, options: Doc, doc: Doc, before?: Doc): void {
  if (validator === undefined || validator.matches(doc)) return;
  const level = options.get('validationLevel');
  if (level === 'off' || options.get('validationAction') === 'warn') return;
  // Documents that were invalid before may stay so.
  if (level === 'moderate' && before !== undefined && !validator.matches(before)) return;
  throw new MongoError(ErrorCode.DocumentValidationFailure, 'Document failed validation', {
    errInfo: Doc.of({
      failingDocumentId: doc.get('_id') ?? null,
      details: explainFailure(validator.filter, doc),
    }),
  });
}

/** The document as it is stored: its `_id`, given or made, stands first. */
export function withIdFirst(doc: Doc): Doc {
  const at = doc.position('_id');
  if (at === 0) return doc;
  const id = at < 0 ? ObjectId.generate() : (doc.values[at] as Value);
  const rest = at < 0 ? doc : doc.without('_id');
  return new Doc(['_id', ...rest.keys], [id, ...rest.values]);
}

/** A measurement (manual: core/timeseries-collections): its time and its metadata stand first. */
export function measurement(given: Doc, { timeField, metaField }: TimeSeries): Doc {
  const time = given.get(timeField);
  if (!(time instanceof DateTime)) {
    throw badValue(`'${timeField}' must be present and contain a valid BSON UTC datetime value`);
  }
  const doc = given.has('_id') ? given : given.with('_id', ObjectId.generate());
  const meta = metaField === undefined ? undefined : doc.get(metaField);
  const names = meta === undefined || metaField === undefined ? [timeField] : [timeField, metaField];
  const rest = names.reduce((remaining, name) => remaining.without(name), doc);
  return new Doc([...names, ...rest.keys], [time, ...(meta === undefined ? [] : [meta]), ...rest.values]);
}
