import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';

export interface Capped {
  readonly size: number;
  readonly max: number;
}

export interface TimeSeries {
  readonly timeField: string;
  readonly metaField: string | undefined;
}

/** What the options of a collection make it, apart from an ordinary one. */
export interface CollectionKind {
  readonly capped?: Capped;
  /** The name of the index that the documents are ordered by. */
  readonly clustered?: string;
  readonly timeSeries?: TimeSeries;
  /** After so many seconds a document of a clustered collection or a time series is removed. */
  readonly expireAfterSeconds?: number;
}

/** Reads options that were checked when the collection was made. */
export function kindOf(options: Doc): CollectionKind {
  const clusteredIndex = options.get('clusteredIndex');
  const timeseries = options.get('timeseries');
  const expiry = options.get('expireAfterSeconds');
  const metaField = timeseries instanceof Doc ? timeseries.get('metaField') : undefined;
  return {
    ...(options.get('capped') === true
      ? { capped: { size: numberOf(options.get('size')), max: numberOf(options.get('max')) } }
      : {}),
    ...(clusteredIndex instanceof Doc ? { clustered: String(clusteredIndex.get('name')) } : {}),
    ...(timeseries instanceof Doc
      ? {
          timeSeries: {
            timeField: String(timeseries.get('timeField')),
            metaField: metaField === undefined ? undefined : String(metaField),
          },
        }
      : {}),
    ...(isNumeric(expiry) ? { expireAfterSeconds: toDouble(expiry) } : {}),
  };
}

/** No limit when there is none. */
function numberOf(value: Value | undefined): number {
  return isNumeric(value) ? toDouble(value) : Number.POSITIVE_INFINITY;
}
