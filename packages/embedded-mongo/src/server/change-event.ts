import { identical } from '../bson/identical.ts';
import { DateTime, Doc, Timestamp, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Store } from '../storage/database.ts';
import type { ChangeEvent } from '../storage/history.ts';
import type { Render } from './change-stream.ts';

/** How much of the documents events show (manual: changeStreams, "Lookup Full Document for Update Operations"). */
export interface EventOptions {
  readonly fullDocument: string;
  readonly before: string;
}

/** Makes the documents that a client sees of events (manual: reference/change-events). */
export function eventRenderer(store: Store, options: EventOptions): Render {
  return (event, token) => {
    const { kind, seconds, increment, wallMs, namespace, after, before, to } = event;
    const changed = after ?? before;
    const isDocument = changed !== undefined && kind !== 'invalidate';
    return Doc.of({
      _id: token,
      operationType: kind,
      clusterTime: new Timestamp(seconds, increment),
      wallTime: new DateTime(wallMs),
      fullDocument: isDocument ? fullDocument(store, event, options.fullDocument) : undefined,
      ns: kind === 'invalidate' ? undefined : namespaceDoc(namespace),
      to: kind === 'rename' && to !== undefined ? namespaceDoc(to) : undefined,
      documentKey: isDocument ? Doc.of({ _id: changed.get('_id') ?? null }) : undefined,
      updateDescription: kind === 'update' ? updateDescription(before as Doc, after as Doc) : undefined,
      fullDocumentBeforeChange: isDocument && kind !== 'insert' ? imageBefore(event, options.before) : undefined,
    });
  };
}

function namespaceDoc(namespace: string): Doc {
  const dot = namespace.indexOf('.');
  if (dot < 0) return Doc.of({ db: namespace });
  return Doc.of({ db: namespace.slice(0, dot), coll: namespace.slice(dot + 1) });
}

function fullDocument(store: Store, event: ChangeEvent, wanted: string): Doc | null | undefined {
  const { kind, after, images, namespace } = event;
  if (kind === 'insert' || kind === 'replace') return after;
  if (kind !== 'update' || wanted === 'default') return undefined;
  if (wanted === 'updateLookup') return lookup(store, namespace, after?.get('_id') ?? null);
  if (images) return after;
  if (wanted === 'whenAvailable') return null;
  throw missingImage('post', event);
}

function imageBefore(event: ChangeEvent, wanted: string): Doc | null | undefined {
  if (wanted === 'off') return undefined;
  if (event.images) return event.before;
  if (wanted === 'whenAvailable') return null;
  throw missingImage('pre', event);
}

function missingImage(which: string, { namespace }: ChangeEvent): MongoError {
  return new MongoError(
    ErrorCode.NoMatchingDocument,
    `Change stream was configured to require a ${which}-image for all update, delete and replace events, but the ${which}-image was not found for an event of ${namespace}: its changeStreamPreAndPostImages are not enabled`,
  );
}

function lookup(store: Store, namespace: string, id: Value): Doc | null {
  const collection = store.get(namespace);
  const key = collection?.idIndex.keysOf(Doc.of({ _id: id }))?.keys[0];
  const recordId = key === undefined ? undefined : collection?.idIndex.tree.get(key);
  return recordId === undefined ? null : (collection?.records.get(recordId) ?? null);
}

/** Manual: reference/change-events/update: which fields changed, with their paths. */
export function updateDescription(before: Doc, after: Doc): Doc {
  const updated: [string, Value][] = [];
  const removed: string[] = [];
  const truncated: Doc[] = [];
  compareDocs(before, after, '');
  return Doc.of({
    updatedFields: new Doc(
      updated.map(([path]) => path),
      updated.map(([, value]) => value),
    ),
    removedFields: removed,
    truncatedArrays: truncated,
  });

  function compareDocs(old: Doc, now: Doc, prefix: string): void {
    for (const key of old.keys) if (!now.has(key)) removed.push(prefix + key);
    for (const [key, value] of now.entries()) compareValues(old.get(key), value, prefix + key);
  }

  function compareValues(old: Value | undefined, now: Value, path: string): void {
    if (old !== undefined && identical(old, now)) return;
    if (old instanceof Doc && now instanceof Doc) compareDocs(old, now, `${path}.`);
    else if (Array.isArray(old) && Array.isArray(now) && old.length > 0 && now.length > 0)
      compareArrays(old, now, path);
    else updated.push([path, now]);
  }

  function compareArrays(old: Value[], now: Value[], path: string): void {
    if (now.length < old.length) truncated.push(Doc.of({ field: path, newSize: now.length }));
    for (const [at, value] of now.entries()) compareValues(old[at], value, `${path}.${at}`);
  }
}
