import { splitPath, visitPath } from '../bson/path.ts';
import { Doc, type Value } from '../bson/values.ts';
import { MongoError, typeMismatch } from '../errors.ts';
import { PAUSE } from '../plan/stream.ts';
import { Matcher } from '../query/match.ts';
import type { Collection } from '../storage/collection.ts';
import { openPipeline } from './aggregate.ts';
import { type CommandContext, docField, namespaceOf, numberField, ok, type Running } from './context.ts';
import { hintOf } from './find.ts';
import { commandScope, type OpenQuery, openQuery, type QuerySpec } from './query.ts';
import { findStages, isView } from './views.ts';
import { NO_FIELDS } from './wanted-fields.ts';

export function countSpec(command: Doc, collection: Collection | undefined): QuerySpec {
  const scope = commandScope(command, collection);
  const matcher = new Matcher(docField(command, 'query') ?? Doc.EMPTY, { scope });
  return {
    matcher,
    sort: [],
    skip: numberField(command, 'skip') ?? 0,
    limit: Math.abs(numberField(command, 'limit') ?? 0),
    hint: hintOf(command),
    wanted: NO_FIELDS,
  };
}

export function distinctSpec(command: Doc, collection: Collection | undefined, key: string): QuerySpec {
  return { ...countSpec(command, collection), skip: 0, limit: 0, wanted: new Set([key]) };
}

/** Of a view its documents, of a collection the query. */
export function openOn(context: CommandContext, collection: Collection | undefined, spec: QuerySpec): OpenQuery {
  if (collection === undefined || !isView(collection)) return openQuery(collection, spec);
  const window = Doc.of({ skip: spec.skip, limit: spec.limit });
  const stages = findStages(window, context.command.get('query'));
  return openPipeline(context, collection.namespace, stages, commandScope(context.command, collection)).query;
}

/** Manual: reference/command/count. */
export function* count(context: CommandContext): Running {
  const collection = context.engine.store.get(namespaceOf(context));
  const spec = countSpec(context.command, collection);
  if (collection !== undefined && !isView(collection) && spec.matcher.matchesAll && spec.hint === undefined) {
    const all = Math.max(collection.records.size - spec.skip, 0);
    return ok({ n: spec.limit > 0 ? Math.min(all, spec.limit) : all });
  }
  const { stream } = openOn(context, collection, spec);
  let n = 0;
  for (;;) {
    const doc = stream.next();
    if (doc === undefined) return ok({ n });
    if (doc !== PAUSE) {
      n += 1;
      continue;
    }
    stream.detach();
    yield;
  }
}

/** Manual: reference/command/distinct: arrays count by their elements. */
export function* distinct(context: CommandContext): Running {
  const { command } = context;
  const key = command.get('key');
  if (typeof key !== 'string')
    throw typeMismatch("BSON field 'distinct.key' is the wrong type, expected type 'string'");
  if (key === '') throw new MongoError(5, 'the distinct key must not be empty');
  const parts = splitPath(key);
  const collection = context.engine.store.get(namespaceOf(context));
  const spec = distinctSpec(command, collection, key);
  const { stream } = openOn(context, collection, spec);
  const values = new Map<string, Value>();
  const note = (value: Value): void => {
    const encoded = spec.matcher.ordering.encode(value);
    if (!values.has(encoded)) values.set(encoded, value);
  };
  for (;;) {
    const doc = stream.next();
    if (doc === undefined) return ok({ values: [...values.values()].sort(spec.matcher.ordering.compare) });
    if (doc === PAUSE) {
      stream.detach();
      yield;
      continue;
    }
    visitPath(doc, parts, 0, (value, explicit) => {
      if (Array.isArray(value) && !explicit) value.forEach(note);
      else if (value !== undefined) note(value);
      return false;
    });
  }
}
