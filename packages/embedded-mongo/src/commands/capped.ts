import { Doc } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Collection } from '../storage/collection.ts';
import type { Store } from '../storage/database.ts';
import { type CommandContext, namespaceOf, ok } from './context.ts';
import { cappedSize } from './create-options.ts';
import { writable } from './views.ts';

/** Manual: reference/command/cloneCollectionAsCapped. */
export function cloneCollectionAsCapped(context: CommandContext): Doc {
  const { command, database, engine } = context;
  const source = sourceOf(engine.store, namespaceOf(context));
  const name = command.get('toCollection');
  if (typeof name !== 'string') {
    throw new MongoError(40414, "BSON field 'cloneCollectionAsCapped.toCollection' is missing but a required field");
  }
  const namespace = `${database}.${name}`;
  if (engine.store.get(namespace) !== undefined) {
    throw new MongoError(
      ErrorCode.NamespaceExists,
      `cloneCollectionAsCapped failed - destination collection ${namespace} already exists.`,
    );
  }
  copy(engine.store, source, engine.store.create(namespace, cappedOptions(command)));
  return ok();
}

/** Manual: reference/command/convertToCapped. The collection loses its indexes but that on `_id`. */
export function convertToCapped(context: CommandContext): Doc {
  const { command, engine } = context;
  const { store } = engine;
  const source = sourceOf(store, namespaceOf(context));
  if (source.kind.timeSeries !== undefined) {
    throw new MongoError(
      ErrorCode.CommandNotSupportedOnView,
      `Namespace ${source.namespace} is a timeseries collection`,
    );
  }
  const { namespace } = source;
  // An open transaction that has used the collection is waited for before anything is made.
  store.settle(source);
  const made = store.create(`${namespace}.tmp.convertToCapped.${source.id}`, cappedOptions(command));
  copy(store, source, made);
  store.drop(source);
  store.rename(made, namespace);
  return ok();
}

function cappedOptions(command: Doc): Doc {
  return Doc.of({ capped: true, size: cappedSize(command.get('size')) });
}

function sourceOf(store: Store, namespace: string): Collection {
  const source = writable(store, namespace);
  if (source !== undefined) return source;
  throw new MongoError(ErrorCode.NamespaceNotFound, `source collection ${namespace} does not exist`);
}

/**
 * At once, so that no write is lost between the two. The newest documents are those that remain when there is no room
 * for all.
 */
function copy(store: Store, source: Collection, target: Collection): void {
  try {
    for (const doc of source.records.values()) target.insert(doc, false);
  } catch (error) {
    store.drop(target);
    throw error;
  }
}
