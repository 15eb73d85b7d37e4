import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { isTrue } from '../expression/compile.ts';
import type { IndexSpec } from '../indexes/spec.ts';
import type { Collection } from '../storage/collection.ts';

function invalid(message: string): MongoError {
  return new MongoError(ErrorCode.InvalidOptions, message);
}

/**
 * Updates of a time series change the metadata of many measurements, and nothing else (manual:
 * core/timeseries/timeseries-limitations, "Updates").
 */
export function checkTimeSeriesUpdate(collection: Collection | undefined, statement: Doc): void {
  const series = collection?.kind.timeSeries;
  if (series === undefined) return;
  const { metaField } = series;
  if (metaField === undefined) {
    throw invalid('Cannot perform an update on a time-series collection that does not have a metaField');
  }
  if (statement.get('multi') !== true) throw invalid('Cannot perform a non-multi update on a time-series collection');
  if (statement.get('upsert') === true) throw invalid('Cannot perform an upsert on a time-series collection');
  const u = statement.get('u');
  if (!(u instanceof Doc) || u.keys[0]?.startsWith('$') !== true) {
    throw invalid('Cannot perform an update on a time-series collection using a pipeline or a replacement document');
  }
  const queried = fieldsOf(statement.get('q') ?? null);
  const changed = u.values.flatMap((fields) => (fields instanceof Doc ? [...fields.keys, ...renamed(fields)] : []));
  const isMeta = (path: string): boolean => path === metaField || path.startsWith(`${metaField}.`);
  const foreign = queried.find((path) => !isMeta(path));
  if (foreign !== undefined) {
    throw invalid(
      `Cannot perform an update on a time-series collection when querying on a field that is not the metaField '${metaField}': ${foreign}`,
    );
  }
  if (!changed.every(isMeta)) {
    throw invalid(
      `Cannot perform an update on a time-series collection which updates a field that is not the metaField '${metaField}'`,
    );
  }
}

/** The target of `$rename` is its value. */
function renamed(fields: Doc): string[] {
  return fields.values.filter((value) => typeof value === 'string' && value.includes('.')).map(String);
}

/** All fields that a filter names. `$expr` and its like may look anywhere. */
function fieldsOf(filter: Value): string[] {
  if (!(filter instanceof Doc)) return [];
  return [...filter.entries()].flatMap(([key, value]) => {
    if (!key.startsWith('$')) return [key];
    if (key === '$comment') return [];
    return Array.isArray(value) ? value.flatMap(fieldsOf) : [key];
  });
}

/** Manual: core/timeseries/timeseries-secondary-index, "Limitations". */
export function checkTimeSeriesIndex({ kind }: Collection, spec: IndexSpec): void {
  const series = kind.timeSeries;
  if (series === undefined) return;
  if (spec.unique) throw invalid('Unique indexes are not supported on time-series collections');
  if (spec.kind === 'text') throw invalid('Text indexes are not supported on time-series collections');
  if (spec.kind === 'hashed') throw invalid('Hashed indexes are not supported on time-series collections');
  if (isTrue(spec.sparse)) throw invalid('Sparse indexes are not supported on time-series collections');
  if (spec.expireAfterSeconds === undefined) return;
  if (spec.key.keys[0] !== series.timeField || spec.partialFilter === undefined) {
    throw invalid('TTL indexes on time-series collections need the timeField and a partial filter on the metaField');
  }
}
