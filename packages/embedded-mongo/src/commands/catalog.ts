import { checkedStage, isWriting } from '../aggregate/pipeline.ts';
import { equals } from '../bson/compare.ts';
import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { parseCollation } from '../collation/collation.ts';
import { badValue, ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import { parseIndexSpec } from '../indexes/spec.ts';
import { Matcher } from '../query/match.ts';
import type { Collection } from '../storage/collection.ts';
import type { Recorder } from '../storage/recorder.ts';
import { alterIndex } from './alter-index.ts';
import { type CommandContext, namespaceOf, ok } from './context.ts';
import { cappedSize, collectionKindOptions } from './create-options.ts';
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
  'capped',
  'size',
  'max',
  'timeseries',
  'clusteredIndex',
  'expireAfterSeconds',
]);
const CREATE_REFUSED = new Set(['encryptedFields']);
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
  options = collectionKindOptions(options);
  const existing = context.engine.store.get(namespace);
  // Creating what is there already, in the same way, changes nothing; in a transaction it is an error.
  if (existing !== undefined && !context.command.has('autocommit') && equals(existing.options, options)) return ok();
  checkView(options);
  const collection = context.engine.store.create(namespace, options);
  indexSeries(collection, context.engine.store.recorder);
  return ok();
}

/** A time series with metadata begins with an index on it and the time (manual: core/timeseries/timeseries-secondary-index). */
function indexSeries(collection: Collection, recorder: Recorder): void {
  const { timeField, metaField } = collection.kind.timeSeries ?? {};
  if (timeField === undefined || metaField === undefined) return;
  const spec = parseIndexSpec(Doc.of({ key: new Doc([metaField, timeField], [1, 1]) }));
  collection.buildIndex(spec);
  recorder.createIndex(collection, spec);
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
  const nIndexesWas = collection.listedIndexes.length;
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
  if (collection.kind.timeSeries !== undefined) {
    throw new MongoError(ErrorCode.IllegalOperation, 'Renaming a timeseries collection is not allowed');
  }
  const target = store.get(to);
  if (target !== undefined) {
    if (context.command.get('dropTarget') !== true)
      throw new MongoError(ErrorCode.NamespaceExists, 'target namespace exists');
  }
  store.rename(collection, to);
  return ok();
}

const COLLMOD_CHANGES = new Set(['validator', 'validationLevel', 'validationAction', 'changeStreamPreAndPostImages']);

/** Manual: reference/command/collMod. */
export function collMod(context: CommandContext): Doc {
  const { command, engine } = context;
  const namespace = namespaceOf(context);
  const collection = engine.store.get(namespace);
  if (collection === undefined) throw new MongoError(ErrorCode.NamespaceNotFound, `ns does not exist: ${namespace}`);
  engine.store.settle(collection);
  const dryRun = command.get('dryRun') === true;
  if (dryRun && (!(command.get('index') instanceof Doc) || command.keys.some((key) => COLLMOD_CHANGES.has(key)))) {
    throw new MongoError(ErrorCode.InvalidOptions, 'dryRun is only supported for the index option of collMod');
  }
  let { options } = collection;
  const reply: Record<string, Value> = {};
  for (const [key, value] of [...command.entries()].slice(1)) {
    if (isGeneric(key)) continue;
    if (key === 'dryRun') continue;
    if (key === 'index') Object.assign(reply, alterIndex(collection, value, engine.store.recorder, dryRun));
    else if (['validator', 'validationLevel', 'validationAction', 'changeStreamPreAndPostImages'].includes(key)) {
      checkValidation(key, value);
      options = options.with(key, value);
    } else if (isView(collection) && (key === 'viewOn' || key === 'pipeline')) options = options.with(key, value);
    else if (key === 'cappedSize' || key === 'cappedMax') options = resized(collection, options, key, value);
    else if (key === 'expireAfterSeconds') options = reexpired(options, value);
    else if (key === 'timeseries' && value instanceof Doc) options = regrained(options, value);
    else throw new MongoError(40415, `BSON field 'collMod.${key}' is an unknown field.`);
  }
  checkView(options);
  if (options !== collection.options || !command.has('index')) {
    const before = { namespace, options: collection.options };
    collection.setOptions(options);
    engine.store.recorder.alterCollection(collection, before);
  }
  return ok(reply);
}

function resized({ kind }: Collection, options: Doc, key: 'cappedSize' | 'cappedMax', value: Value): Doc {
  if (kind.capped === undefined) throw new MongoError(ErrorCode.InvalidOptions, 'Collection must be capped.');
  if (key === 'cappedSize') return options.with('size', cappedSize(value));
  return isNumeric(value) && toDouble(value) > 0 ? options.with('max', value) : options.without('max');
}

function reexpired(options: Doc, value: Value): Doc {
  if (value === 'off') return options.without('expireAfterSeconds');
  return collectionKindOptions(options.with('expireAfterSeconds', value));
}

/** Buckets of a time series may only grow. */
function regrained(options: Doc, change: Doc): Doc {
  const now = options.get('timeseries');
  if (!(now instanceof Doc)) {
    throw new MongoError(ErrorCode.InvalidOptions, "option 'timeseries' is only supported on time-series collections");
  }
  const kept = Doc.of({ timeField: now.get('timeField'), metaField: now.get('metaField') });
  const wanted = [...change.entries()].reduce((series, [key, value]) => series.with(key, value), kept);
  const changed = collectionKindOptions(options.with('timeseries', wanted));
  const spanOf = (described: Doc): number => {
    const series = described.get('timeseries');
    const span = series instanceof Doc ? series.get('bucketMaxSpanSeconds') : undefined;
    return isNumeric(span) ? toDouble(span) : 0;
  };
  if (spanOf(changed) >= spanOf(options)) return changed;
  throw new MongoError(ErrorCode.InvalidOptions, 'Invalid transition for timeseries.granularity');
}
