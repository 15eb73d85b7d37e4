import { DateTime, Doc, Timestamp, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Store } from '../storage/database.ts';
import { differences } from '../storage/field-changes.ts';
import type { ChangeEvent } from '../storage/history.ts';
import type { FieldChanges } from '../storage/recorder.ts';
import type { Render } from './change-stream.ts';
import { sessionId } from './sessions.ts';

/** How much of the documents events show (manual: changeStreams, "Lookup Full Document for Update Operations"). */
export interface EventOptions {
  readonly fullDocument: string;
  readonly before: string;
  /** Also what happens to collections and indexes, and more about each event. */
  readonly showExpandedEvents: boolean;
}

/** Makes the documents that a client sees of events (manual: reference/change-events). */
export function eventRenderer(store: Store, options: EventOptions): Render {
  return (event, token) => {
    const { kind, seconds, increment, wallMs, namespace, after, before, to } = event;
    const changed = after ?? before;
    const isDocument = changed !== undefined && kind !== 'invalidate';
    const expanded = options.showExpandedEvents && kind !== 'invalidate';
    const changes =
      kind === 'update' && before !== undefined && after !== undefined
        ? (event.describe ?? differences)(before, after)
        : undefined;
    return Doc.of({
      _id: token,
      operationType: kind,
      clusterTime: new Timestamp(seconds, increment),
      collectionUUID: expanded ? event.uuid : undefined,
      wallTime: new DateTime(wallMs),
      ...(kind === 'invalidate' ? {} : nameOf(event)),
      fullDocument: isDocument ? fullDocument(store, event, options.fullDocument) : undefined,
      ns: kind === 'invalidate' ? undefined : namespaceDoc(namespace),
      to: kind === 'rename' && to !== undefined ? namespaceDoc(to) : undefined,
      documentKey: isDocument ? Doc.of({ _id: changed.get('_id') ?? null }) : undefined,
      operationDescription: expanded ? operationDescription(event) : undefined,
      stateBeforeChange: expanded ? event.stateBefore : undefined,
      updateDescription: changes === undefined ? undefined : updateDescription(changes, expanded),
      fullDocumentBeforeChange: isDocument && kind !== 'insert' ? imageBefore(event, options.before) : undefined,
    });
  };
}

/** Events of a transaction name it. */
function nameOf({ transaction }: ChangeEvent): Record<string, Value> {
  if (transaction === undefined) return {};
  return { lsid: sessionId(transaction.session), txnNumber: transaction.number };
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
function updateDescription(changes: FieldChanges, expanded: boolean): Doc {
  const { updated, removed, truncated } = changes;
  const paths = [...updated.map(([path]) => path), ...removed, ...truncated.map(({ path }) => path)];
  const ambiguous = paths.filter((path) => path.some(isAmbiguous));
  return Doc.of({
    updatedFields: new Doc(
      updated.map(([path]) => path.join('.')),
      updated.map(([, value]) => value),
    ),
    removedFields: removed.map((path) => path.join('.')),
    truncatedArrays: truncated.map(({ path, newSize }) => Doc.of({ field: path.join('.'), newSize })),
    disambiguatedPaths: expanded
      ? new Doc(
          ambiguous.map((path) => path.join('.')),
          ambiguous.map((path) => [...path]),
        )
      : undefined,
  });
}

/** The name of a field that looks like a position or like a path. */
function isAmbiguous(part: string | number): boolean {
  return typeof part === 'string' && (part.includes('.') || /^\d+$/.test(part));
}

/** What was done to a collection or an index, for streams with `showExpandedEvents`. */
function operationDescription({ kind, description, to }: ChangeEvent): Doc | undefined {
  if (kind !== 'rename' || to === undefined) return description;
  return Doc.of({ to: namespaceDoc(to), ...Object.fromEntries((description ?? Doc.EMPTY).entries()) });
}
