import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Collection } from '../storage/collection.ts';
import type { Store } from '../storage/database.ts';

/** Views on views, no deeper than this (manual: reference/limits, "View Definition"). */
const MAX_DEPTH = 20;

export function isView(collection: Collection | undefined): boolean {
  return collection?.options.has('viewOn') === true;
}

/** The collection behind a name that a command wants to change: a view has no documents of its own. */
export function writable(store: Store, namespace: string): Collection | undefined {
  const collection = store.get(namespace);
  if (isView(collection)) {
    throw new MongoError(ErrorCode.CommandNotSupportedOnView, `Namespace ${namespace} is a view, not a collection`);
  }
  return collection;
}

/** A pipeline over a view is one over its collection, after the view's own stages (manual: core/views). */
export function resolveView(
  store: Store,
  namespace: string,
  pipeline: readonly Value[],
): { namespace: string; pipeline: readonly Value[] } {
  let resolved = { namespace, pipeline };
  for (let depth = 0; ; depth++) {
    const view = store.get(resolved.namespace);
    if (view === undefined || !isView(view)) return resolved;
    if (depth === MAX_DEPTH) {
      throw new MongoError(
        ErrorCode.ViewDepthLimitExceeded,
        `View depth too deep or view cycle detected; maximum depth is ${MAX_DEPTH}`,
      );
    }
    const stages = view.options.get('pipeline');
    const database = resolved.namespace.slice(0, resolved.namespace.indexOf('.'));
    resolved = {
      namespace: `${database}.${String(view.options.get('viewOn'))}`,
      pipeline: [...(Array.isArray(stages) ? stages : []), ...resolved.pipeline],
    };
  }
}

/** What a find, count or distinct on a view asks for, as stages after the view's. */
export function findStages(command: Doc, filter: Value | undefined): Doc[] {
  const stages: Doc[] = [];
  const add = (name: string, value: Value | undefined): void => {
    if (value === undefined || value === null || value === 0 || (value instanceof Doc && value.size === 0)) return;
    stages.push(new Doc([name], [value]));
  };
  add('$match', filter);
  add('$sort', command.get('sort'));
  add('$skip', command.get('skip'));
  add('$limit', command.get('limit'));
  add('$project', command.get('projection'));
  return stages;
}
