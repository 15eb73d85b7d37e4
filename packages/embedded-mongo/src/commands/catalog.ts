import { checkedStage, isWriting } from '../aggregate/pipeline.ts';
import { equals } from '../bson/compare.ts';
import { Doc, Double, isNumeric, type Value } from '../bson/values.ts';
import { parseCollation } from '../collation/collation.ts';
import { badValue, ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import { Matcher } from '../query/match.ts';
import type { Collection } from '../storage/collection.ts';
import { listReply } from './aggregate.ts';
import { type CommandContext, docField, namespaceOf, ok, type Running } from './context.ts';
import { setExpiry } from './indexes.ts';
import { isView, writable } from './views.ts';

/** Kept with the collection and shown by `listCollections`; what would change results without being done is refused. */
const CREATE_OPTIONS = new Set([
  'validator',
  'validationLevel',
  'validationAction',
  'viewOn',
  'pipeline',
  'changeStreamPreAndPostImages',
  'storageEngine',
  'indexOptionDefaults',
  'autoIndexId',
  'flags',
]);
const CREATE_REFUSED = new Set([
  'capped',
  'size',
  'max',
  'timeseries',
  'clusteredIndex',
  'encryptedFields',
  'expireAfterSeconds',
]);
const GENERIC = new Set([
  'lsid',
  'txnNumber',
  'autocommit',
  'startTransaction',
  'writeConcern',
  'readConcern',
  'comment',
  'maxTimeMS',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
]);
const isGeneric = (key: string): boolean => key.startsWith('$') || GENERIC.has(key);

/** Manual: core/schema-validation. */
function checkValidation(key: string, value: Value): void {
  const choices: Record<string, readonly string[]> = {
    validationLevel: ['off', 'strict', 'moderate'],
    validationAction: ['error', 'warn'],
  };
  if (key === 'validator' && value instanceof Doc) new Matcher(value);
  if (choices[key]?.includes(String(value)) === false) {
    throw badValue(`Enumeration value '${String(value)}' for field '${key}' is not a valid value.`);
  }
}

/** Manual: reference/command/create. */
export function create(context: CommandContext): Doc {
  const namespace = namespaceOf(context);
  let options = Doc.EMPTY;
  for (const [key, value] of [...context.command.entries()].slice(1)) {
    if (isGeneric(key) || value === null) continue;
    if (key === 'collation') {
      const specification = parseCollation(value)?.specification;
      if (specification !== undefined) options = options.with(key, specification);
      continue;
    }
    if (CREATE_REFUSED.has(key)) {
      if (value === false) continue;
      throw new MongoError(ErrorCode.NotImplemented, `create option '${key}' is not supported by this server`);
    }
    if (!CREATE_OPTIONS.has(key)) throw new MongoError(40415, `BSON field 'create.${key}' is an unknown field.`);
    checkValidation(key, value);
    options = options.with(key, value);
  }
  const existing = context.engine.store.get(namespace);
  // Creating what is there already, in the same way, changes nothing.
  if (existing !== undefined && equals(existing.options, options)) return ok();
  checkView(options);
  context.engine.store.create(namespace, options);
  return ok();
}

/** Manual: reference/method/db.createView. The pipeline is parsed once to find what is wrong with it. */
function checkView(options: Doc): void {
  const pipeline = options.get('pipeline');
  if (!options.has('viewOn')) {
    if (pipeline !== undefined)
      throw new MongoError(ErrorCode.InvalidOptions, "'pipeline' requires 'viewOn' to also be specified");
    return;
  }
  if (typeof options.get('viewOn') !== 'string' || options.get('viewOn') === '') {
    throw badValue("'viewOn' cannot be empty");
  }
  for (const stage of Array.isArray(pipeline) ? pipeline : []) {
    const name = checkedStage(stage).keys[0];
    if (isWriting(name) || name === '$changeStream') {
      throw new MongoError(ErrorCode.OptionNotSupportedOnView, `${name} cannot be used in a view definition`);
    }
  }
}

export function drop(context: CommandContext): Doc {
  const namespace = namespaceOf(context);
  const collection = context.engine.store.get(namespace);
  if (collection === undefined) return ok();
  const nIndexesWas = collection.indexes.length;
  context.engine.store.drop(collection);
  return ok({ nIndexesWas, ns: namespace });
}

export function dropDatabase(context: CommandContext): Doc {
  const { store } = context.engine;
  const collections = store.inDatabase(context.database);
  for (const collection of collections) store.drop(collection);
  if (collections.length > 0) store.recorder.dropDatabase(context.database);
  return ok(collections.length > 0 ? { dropped: context.database } : {});
}

/** Manual: reference/command/renameCollection. */
export function renameCollection(context: CommandContext): Doc {
  const from = context.command.values[0];
  const to = context.command.get('to');
  if (typeof from !== 'string' || typeof to !== 'string')
    throw typeMismatch("BSON field 'renameCollection.to' has to be a string");
  const { store } = context.engine;
  const collection = writable(store, from);
  if (collection === undefined)
    throw new MongoError(ErrorCode.NamespaceNotFound, `Source collection ${from} does not exist`);
  if (from === to) throw new MongoError(ErrorCode.IllegalOperation, "Can't rename a collection to itself");
  const target = store.get(to);
  if (target !== undefined) {
    if (context.command.get('dropTarget') !== true)
      throw new MongoError(ErrorCode.NamespaceExists, 'target namespace exists');
    store.drop(target);
  }
  store.rename(collection, to);
  return ok();
}

function describe(collection: Collection, nameOnly: boolean): Doc {
  const name = collection.name;
  if (nameOnly) return Doc.of({ name, type: isView(collection) ? 'view' : 'collection' });
  if (isView(collection)) {
    return Doc.of({ name, type: 'view', options: collection.options, info: Doc.of({ readOnly: true }) });
  }
  const { spec } = collection.idIndex;
  return Doc.of({
    name,
    type: 'collection',
    options: collection.options,
    info: Doc.of({ readOnly: false, uuid: collection.uuid }),
    idIndex: spec.document,
  });
}

/** Manual: reference/command/listCollections. */
export function* listCollections(context: CommandContext): Running {
  const { command, engine, database } = context;
  const filter = new Matcher(docField(command, 'filter') ?? Doc.EMPTY);
  const nameOnly = command.get('nameOnly') === true;
  const docs = engine.store
    .inDatabase(database)
    .filter((collection) => filter.matches(describe(collection, false)))
    .map((collection) => describe(collection, nameOnly));
  return yield* listReply(context, `${database}.$cmd.listCollections`, docs);
}

/** Manual: reference/command/listDatabases. */
export function listDatabases(context: CommandContext): Doc {
  const { command, engine } = context;
  const filter = new Matcher(docField(command, 'filter') ?? Doc.EMPTY);
  let totalSize = 0;
  const databases = engine.store
    .databases()
    .map((name) => {
      const sizeOnDisk = engine.store.inDatabase(name).reduce((sum, collection) => sum + collection.dataBytes, 0);
      return Doc.of({ name, sizeOnDisk: BigInt(sizeOnDisk), empty: false });
    })
    .filter((entry) => filter.matches(entry));
  for (const entry of databases) totalSize += Number(entry.get('sizeOnDisk'));
  if (command.get('nameOnly') === true) {
    return ok({ databases: databases.map((entry) => Doc.of({ name: entry.get('name') })) });
  }
  return ok({ databases, totalSize: BigInt(totalSize), totalSizeMb: BigInt(Math.floor(totalSize / 1_048_576)) });
}

/** Manual: reference/command/collMod. */
export function collMod(context: CommandContext): Doc {
  const { command, engine } = context;
  const namespace = namespaceOf(context);
  const collection = engine.store.get(namespace);
  if (collection === undefined) throw new MongoError(ErrorCode.NamespaceNotFound, `ns does not exist: ${namespace}`);
  engine.store.settle(collection);
  let { options } = collection;
  const reply: Record<string, Value> = {};
  for (const [key, value] of [...command.entries()].slice(1)) {
    if (isGeneric(key)) continue;
    if (key === 'index') Object.assign(reply, setExpiry(collection, value, engine.store.recorder));
    else if (['validator', 'validationLevel', 'validationAction', 'changeStreamPreAndPostImages'].includes(key)) {
      checkValidation(key, value);
      options = options.with(key, value);
    } else if (isView(collection) && (key === 'viewOn' || key === 'pipeline')) options = options.with(key, value);
    else throw new MongoError(40415, `BSON field 'collMod.${key}' is an unknown field.`);
  }
  checkView(options);
  if (options !== collection.options) {
    collection.setOptions(options);
    engine.store.recorder.alterCollection(collection);
  }
  return ok(reply);
}

/** Manual: reference/command/collStats. */
export function collStats(context: CommandContext): Doc {
  const namespace = namespaceOf(context);
  const collection = context.engine.store.get(namespace);
  return ok({ ns: namespace, ...statisticsOf(collection) });
}

/** Sizes are those of the documents as BSON; what the process takes for them is not known. */
export function statisticsOf(collection: Collection | undefined): Record<string, Value | undefined> {
  const count = collection?.records.size ?? 0;
  const size = collection?.dataBytes ?? 0;
  const indexSizes = new Doc(
    collection?.indexes.map((index) => index.spec.name) ?? [],
    collection?.indexes.map((index) => index.tree.size * 32) ?? [],
  );
  return {
    size,
    count,
    avgObjSize: count === 0 ? undefined : Math.floor(size / count),
    storageSize: size,
    freeStorageSize: 0,
    capped: false,
    nindexes: collection?.indexes.length ?? 0,
    totalIndexSize: indexSizes.values.reduce<number>((sum, entry) => sum + Number(entry), 0),
    indexSizes,
    scaleFactor: 1,
  };
}

export function dbStats(context: CommandContext): Doc {
  const collections = context.engine.store.inDatabase(context.database);
  const scale = context.command.get('scale');
  if (scale !== undefined && !isNumeric(scale)) throw badValue('scale has to be a number');
  const objects = collections.reduce((sum, collection) => sum + collection.records.size, 0);
  const dataSize = collections.reduce((sum, collection) => sum + collection.dataBytes, 0);
  return ok({
    db: context.database,
    collections: BigInt(collections.length),
    views: 0n,
    objects: BigInt(objects),
    avgObjSize: new Double(objects === 0 ? 0 : dataSize / objects),
    dataSize: new Double(dataSize),
    storageSize: new Double(dataSize),
    indexes: BigInt(collections.reduce((sum, collection) => sum + collection.indexes.length, 0)),
    indexSize: new Double(0),
    totalSize: new Double(dataSize),
    scaleFactor: 1n,
  });
}
