import { equals } from '../bson/compare.ts';
import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { type IndexSpec, parseIndexSpec } from '../indexes/spec.ts';
import type { Collection } from '../storage/collection.ts';
import { listReply } from './aggregate.ts';
import { type CommandContext, listField, namespaceOf, ok, type Running } from './context.ts';
import { checkTimeSeriesIndex } from './time-series.ts';
import { writable } from './views.ts';

/** Manual: reference/limits, "Indexes". */
const MAX_INDEXES = 64;
/** An index over so few documents is built at once. */
const SMALL = 1000;

/** An index like the one described, or an error when the description contradicts one. */
function existing(collection: Collection, spec: IndexSpec): boolean {
  for (const { spec: other } of collection.indexes) {
    const sameKey =
      equals(other.key, spec.key) &&
      equals(other.partialFilter, spec.partialFilter) &&
      equals(other.document.get('weights'), spec.document.get('weights')) &&
      equals(other.document.get('wildcardProjection'), spec.document.get('wildcardProjection')) &&
      equals(other.collation, spec.collation);
    const sameOptions =
      other.unique === spec.unique &&
      other.sparse === spec.sparse &&
      other.expireAfterSeconds === spec.expireAfterSeconds;
    if (other.name === spec.name) {
      if (sameKey && (sameOptions || other.name === '_id_')) return true;
      throw new MongoError(
        ErrorCode.IndexKeySpecsConflict,
        `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: ${spec.name}, existing index: ${other.name}`,
      );
    }
    if (!sameKey) continue;
    if (other.name === '_id_') return true;
    throw new MongoError(
      ErrorCode.IndexOptionsConflict,
      sameOptions
        ? `Index already exists with a different name: ${other.name}`
        : `An equivalent index already exists with the same name but different options. Requested index: ${spec.name}, existing index: ${other.name}`,
    );
  }
  return false;
}

/** Manual: core/indexes/index-types/index-text/text-index-restrictions. */
function checkOneText(collection: Collection, spec: IndexSpec): void {
  const other = spec.kind === 'text' ? collection.indexes.find((index) => index.spec.kind === 'text') : undefined;
  if (other === undefined) return;
  throw new MongoError(
    ErrorCode.CannotCreateIndex,
    `only one text index per collection allowed, found existing text index "${other.spec.name}"`,
  );
}

/** An index without a collation of its own takes the collection's (manual: reference/collation). */
function inheritCollation(spec: IndexSpec, described: Value | undefined, { ordering }: Collection): IndexSpec {
  const { specification } = ordering;
  if (specification === undefined || (described instanceof Doc && described.has('collation'))) return spec;
  return parseIndexSpec(spec.document.with('collation', specification));
}

/** Manual: reference/command/createIndexes. */
export function* createIndexes(context: CommandContext): Running {
  const namespace = namespaceOf(context);
  const { store } = context.engine;
  const described = listField(context.command, 'indexes').map(parseIndexSpec);
  if (described.length === 0) throw new MongoError(ErrorCode.BadValue, 'Must specify at least one index to create');
  const createdCollectionAutomatically = writable(store, namespace) === undefined;
  const collection = store.ensure(namespace);
  for (const spec of described) checkTimeSeriesIndex(collection, spec);
  const specs = described.map((spec, i) =>
    inheritCollation(spec, listField(context.command, 'indexes')[i], collection),
  );
  const numIndexesBefore = collection.listedIndexes.length;
  for (const spec of specs) {
    if (existing(collection, spec)) continue;
    checkOneText(collection, spec);
    if (collection.kind.capped !== undefined && spec.expireAfterSeconds !== undefined) {
      throw new MongoError(ErrorCode.CannotCreateIndex, 'Cannot create TTL index on a capped collection');
    }
    if (collection.indexes.length >= MAX_INDEXES) {
      throw new MongoError(
        ErrorCode.CannotCreateIndex,
        `add index fails, too many indexes for ${namespace} key:{ ${spec.key.keys.join(', ')} }`,
      );
    }
    if (collection.records.size < SMALL) collection.buildIndex(spec);
    else yield* collection.buildIndexInSlices(spec);
    if (collection.dropped) break;
    store.recorder.createIndex(collection, spec);
  }
  const numIndexesAfter = collection.listedIndexes.length;
  return ok({
    numIndexesBefore,
    numIndexesAfter,
    createdCollectionAutomatically,
    note: numIndexesAfter === numIndexesBefore ? 'all indexes already exist' : undefined,
  });
}

/** Manual: reference/command/listIndexes. */
export function* listIndexes(context: CommandContext): Running {
  const namespace = namespaceOf(context);
  const collection = writable(context.engine.store, namespace);
  if (collection === undefined) throw new MongoError(ErrorCode.NamespaceNotFound, `ns does not exist: ${namespace}`);
  return yield* listReply(
    context,
    namespace,
    collection.listedIndexes.map((index) => index.spec.document),
  );
}

/** Manual: reference/command/dropIndexes. */
export function dropIndexes(context: CommandContext): Doc {
  const namespace = namespaceOf(context);
  const { store } = context.engine;
  const collection = writable(store, namespace);
  if (collection === undefined) throw new MongoError(ErrorCode.NamespaceNotFound, `ns not found ${namespace}`);
  store.settle(collection);
  const nIndexesWas = collection.listedIndexes.length;
  const wanted = context.command.get('index');
  const doomed =
    wanted === '*'
      ? collection.indexes.slice(1)
      : (Array.isArray(wanted) ? wanted : [wanted]).map((which) => findIndex(collection, which));
  for (const index of doomed) {
    if (index !== collection.idIndex) continue;
    throw new MongoError(
      ErrorCode.InvalidOptions,
      collection.kind.clustered === undefined ? 'cannot drop _id index' : 'cannot drop the clustered index',
    );
  }
  for (const index of doomed) {
    collection.indexes = collection.indexes.filter((other) => other !== index);
    store.recorder.dropIndex(collection, index.spec);
  }
  return ok({ nIndexesWas });
}

export function findIndex(collection: Collection, which: Value | undefined): Collection['indexes'][number] {
  const found = collection.indexes.find(({ spec }) =>
    which instanceof Doc ? equals(spec.key, which) : spec.name === which,
  );
  if (found === undefined) {
    throw new MongoError(
      ErrorCode.IndexNotFound,
      which instanceof Doc
        ? `can't find index with key: { ${which.keys.join(', ')} }`
        : `index not found with name [${String(which)}]`,
    );
  }
  return found;
}
