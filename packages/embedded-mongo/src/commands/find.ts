import { Doc, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError } from '../errors.ts';
import type { Between } from '../plan/planner.ts';
import { parseSort } from '../plan/sort.ts';
import { MapStream, type Stream } from '../plan/stream.ts';
import { Matcher } from '../query/match.ts';
import { DEFAULT_BATCH, DEFAULT_WAIT_MS } from '../server/cursors.ts';
import { openPipeline } from './aggregate.ts';
import { type CommandContext, docField, listField, namespaceOf, numberField, ok, type Running } from './context.ts';
import { type Display, displayOf, refuseOnView } from './find-display.ts';
import { compileFindProjection } from './find-projection.ts';
import { commandScope, type OpenQuery, openQuery, type QuerySpec } from './query.ts';
import { tail, tailing } from './tail.ts';
import { findStages, isView } from './views.ts';
import { wantedByProjection } from './wanted-fields.ts';

export interface FindRequest {
  readonly namespace: string;
  readonly spec: QuerySpec;
  readonly projection: ((doc: Doc) => Doc) | undefined;
  readonly display: Display | undefined;
}

/** The bounds of `min` and `max`; an empty one is none. */
function betweenOf(command: Doc): Between | undefined {
  const given = (name: string): Doc | undefined => {
    const bound = docField(command, name);
    return bound === undefined || bound.size === 0 ? undefined : bound;
  };
  const min = given('min');
  const max = given('max');
  return min === undefined && max === undefined ? undefined : { min, max };
}

export function parseFind(context: CommandContext, command = context.command): FindRequest {
  const namespace = namespaceOf({ ...context, command });
  const scope = commandScope(command, context.engine.store.get(namespace));
  const matcher = new Matcher(docField(command, 'filter') ?? Doc.EMPTY, { scope });
  const skip = numberField(command, 'skip') ?? 0;
  const limit = numberField(command, 'limit') ?? 0;
  if (skip < 0) throw new MongoError(51024, `BSON field 'skip' value must be >= 0, actual value '${skip}'`);
  if (limit < 0) throw new MongoError(51024, `BSON field 'limit' value must be >= 0, actual value '${limit}'`);
  const projection = docField(command, 'projection');
  const display = displayOf(command);
  return {
    namespace,
    spec: {
      matcher,
      sort: parseSort(command.get('sort')),
      skip,
      limit,
      hint: hintOf(command),
      allowDiskUse: command.get('allowDiskUse') !== false,
      between: betweenOf(command),
      wanted: projection === undefined || projection.size === 0 ? undefined : wantedByProjection(projection),
      note: display === undefined ? undefined : (doc, scan) => display.note(doc, scan),
    },
    display,
    projection:
      projection === undefined || projection.size === 0 ? undefined : compileFindProjection(projection, matcher, scope),
  };
}

export function hintOf(command: Doc): Value | undefined {
  const hint = command.get('hint');
  return hint === undefined || (hint instanceof Doc && hint.size === 0) ? undefined : hint;
}

export function openFind(context: CommandContext, request: FindRequest): OpenQuery {
  const collection = context.engine.store.get(request.namespace);
  if (isView(collection)) {
    refuseOnView(context.command);
    const stages = findStages(context.command, context.command.get('filter'));
    return openPipeline(context, request.namespace, stages, commandScope(context.command, collection)).query;
  }
  const query = openQuery(collection, request.spec);
  const { projection, display } = request;
  if (projection === undefined && display === undefined) return query;
  const apply = (doc: Doc): Doc => {
    const projected = projection === undefined ? doc : projection(doc);
    return display === undefined ? projected : display.show(doc, projected);
  };
  return { ...query, stream: new MapStream(query.stream, apply) };
}

/** Manual: reference/command/find. */
export function* find(context: CommandContext): Running {
  const { command } = context;
  const request = parseFind(context);
  const batchSize = numberField(command, 'batchSize') ?? DEFAULT_BATCH;
  if (batchSize < 0)
    throw new MongoError(51024, `BSON field 'batchSize' value must be >= 0, actual value '${batchSize}'`);
  const { tails, awaits } = tailing(command);
  if (tails) return yield* tail(context, request, batchSize, awaits);
  const { stream } = openFind(context, request);
  const single = command.get('singleBatch') === true;
  const noTimeout = command.get('noCursorTimeout') === true;
  return yield* cursorReply(context, request.namespace, stream, batchSize, single, noTimeout);
}

export function* cursorReply(
  context: CommandContext,
  namespace: string,
  stream: Stream,
  batchSize: number,
  single = false,
  noTimeout = false,
): Running {
  const { id, docs } = yield* context.engine.cursors.start(namespace, stream, batchSize, single, noTimeout);
  return ok({ cursor: Doc.of({ firstBatch: docs, id, ns: namespace }) });
}

/** Manual: reference/command/getMore. */
export function* getMore(context: CommandContext): Running {
  const { command, engine, database } = context;
  const id = command.values[0];
  if (typeof id !== 'bigint')
    throw new MongoError(
      ErrorCode.TypeMismatch,
      "BSON field 'getMore.getMore' is the wrong type, expected type 'long'",
    );
  const namespace = `${database}.${String(command.get('collection'))}`;
  const failing = engine.failPoints.ofGetMore();
  if (failing !== undefined) throw engine.cursors.failed(id, failing);
  const size = numberField(command, 'batchSize') ?? 0;
  if (command.has('maxTimeMS') && !engine.cursors.mayWait(id)) {
    throw badValue('cannot set maxTimeMS on getMore command for a non-awaitData cursor');
  }
  const waiting = {
    maxMs: numberField(command, 'maxTimeMS') ?? DEFAULT_WAIT_MS,
    onNext: (wake: () => void) => engine.history.onNext(wake),
  };
  const batch = yield* engine.cursors.more(id, namespace, size > 0 ? size : Number.POSITIVE_INFINITY, waiting);
  const { docs, resumeToken } = batch;
  // An event that a crash could take back must not be seen.
  if (resumeToken !== undefined && docs.length > 0) yield engine.written();
  return ok({
    cursor: Doc.of({ nextBatch: docs, postBatchResumeToken: resumeToken, id: batch.id, ns: namespace }),
  });
}

export function killCursors(context: CommandContext): Doc {
  const killed: Value[] = [];
  const missing: Value[] = [];
  for (const id of listField(context.command, 'cursors')) {
    const found = typeof id === 'bigint' && context.engine.cursors.kill(id);
    (found ? killed : missing).push(id);
  }
  return ok({ cursorsKilled: killed, cursorsNotFound: missing, cursorsAlive: [], cursorsUnknown: [] });
}
