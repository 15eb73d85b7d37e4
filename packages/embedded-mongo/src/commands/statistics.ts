import { Doc, Double, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Collection } from '../storage/collection.ts';
import { type CommandContext, namespaceOf, numberField, ok } from './context.ts';
import { isView } from './views.ts';

/** What an entry of an index takes, roughly. */
const KEY_BYTES = 32;

/** Manual: reference/command/collStats. */
export function collStats(context: CommandContext): Doc {
  const namespace = namespaceOf(context);
  const collection = context.engine.store.get(namespace);
  if (isView(collection)) {
    throw new MongoError(ErrorCode.CommandNotSupportedOnView, `Namespace ${namespace} is a view, not a collection`);
  }
  return ok({ ns: namespace, ...statisticsOf(collection, scaleOf(context.command)) });
}

/** Sizes are those of the documents as BSON; what the process takes for them is not known. */
export function statisticsOf(collection: Collection | undefined, scale = 1): Record<string, Value | undefined> {
  const count = collection?.records.size ?? 0;
  const size = collection?.dataBytes ?? 0;
  const { capped, timeSeries } = collection?.kind ?? {};
  const indexes = collection?.listedIndexes ?? [];
  const total = indexes.reduce((sum, index) => sum + index.tree.size * KEY_BYTES, 0);
  const scaled = (bytes: number): number => Math.floor(bytes / scale);
  const sizes = indexes.map((index) => index.tree.size * KEY_BYTES);
  return {
    ...(timeSeries === undefined
      ? {}
      : { timeseries: Doc.of({ bucketsNs: collection?.namespace.replace('.', '.system.buckets.') }) }),
    size: scaled(size),
    count,
    avgObjSize: count === 0 ? undefined : Math.floor(size / count),
    storageSize: scaled(size),
    freeStorageSize: 0,
    numOrphanDocs: 0,
    capped: capped !== undefined,
    max: capped !== undefined && Number.isFinite(capped.max) ? capped.max : undefined,
    maxSize: capped === undefined ? undefined : scaled(capped.size),
    nindexes: indexes.length,
    indexBuilds: [],
    totalIndexSize: scaled(total),
    totalSize: scaled(size + total),
    indexSizes: new Doc(
      indexes.map(({ spec }) => spec.name),
      sizes.map(scaled),
    ),
    scaleFactor: scale,
  };
}

/** Sizes are told in units of so many bytes. */
export function scaleOf(options: Doc): number {
  const scale = numberField(options, 'scale') ?? 1;
  if (scale < 1) throw new MongoError(51024, `BSON field 'scale' value must be >= 1, actual value '${scale}'`);
  return Math.trunc(scale);
}

/** Manual: reference/command/dbStats. */
export function dbStats(context: CommandContext): Doc {
  const all = context.engine.store.inDatabase(context.database);
  const collections = all.filter((collection) => !isView(collection));
  const scale = scaleOf(context.command);
  const sum = (of: (collection: Collection) => number): number =>
    collections.reduce((total, collection) => total + of(collection), 0);
  const objects = sum(({ records }) => records.size);
  const dataSize = sum(({ dataBytes }) => dataBytes);
  const indexSize = sum(({ listedIndexes }) =>
    listedIndexes.reduce((total, index) => total + index.tree.size * KEY_BYTES, 0),
  );
  return ok({
    db: context.database,
    collections: BigInt(collections.length),
    views: BigInt(all.length - collections.length),
    objects: BigInt(objects),
    avgObjSize: new Double(objects === 0 ? 0 : dataSize / objects),
    dataSize: new Double(dataSize / scale),
    storageSize: new Double(dataSize / scale),
    indexes: BigInt(sum(({ listedIndexes }) => listedIndexes.length)),
    indexSize: new Double(indexSize / scale),
    totalSize: new Double((dataSize + indexSize) / scale),
    scaleFactor: BigInt(scale),
  });
}
