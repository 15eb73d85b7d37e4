import { checkedStage, compilePipeline } from '../aggregate/pipeline.ts';
import { Doc, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError } from '../errors.ts';
import { MapStream } from '../plan/stream.ts';
import { eventRenderer } from '../server/change-event.ts';
import { ChangeStream, type Watched } from '../server/change-stream.ts';
import { DEFAULT_BATCH } from '../server/cursors.ts';
import { decodeToken, encodeToken, type ResumePoint, startAt } from '../server/resume-token.ts';
import { SplitStream } from '../server/split-event.ts';
import { checkNamespace } from '../storage/database.ts';
import { type CommandContext, docField, numberField, ok, type Running } from './context.ts';
import { commandScope } from './query.ts';

/** The code of a stage that does not exist. */
const UNRECOGNIZED_STAGE = 40324;

const SPLIT = '$changeStreamSplitLargeEvent';

/** Manual: changeStreams, "Modify Change Stream Output". */
const ALLOWED = new Set([
  '$addFields',
  '$match',
  '$project',
  '$redact',
  '$replaceRoot',
  '$replaceWith',
  '$set',
  '$unset',
]);
const IMAGES = ['default', 'updateLookup', 'whenAvailable', 'required'];
const IMAGES_BEFORE = ['off', 'whenAvailable', 'required'];

export function isChangeStream(pipeline: readonly Value[]): boolean {
  const [first] = pipeline;
  return first instanceof Doc && first.keys[0] === '$changeStream';
}

/** Manual: reference/operator/aggregation/changeStream. */
export function* changeStream(context: CommandContext, pipeline: readonly Value[]): Running {
  const { command, database, engine } = context;
  const options = checkedStage(pipeline[0] as Value).values[0];
  if (!(options instanceof Doc)) throw new MongoError(50808, '$changeStream stage expects a document as argument');
  const showExpandedEvents = options.get('showExpandedEvents') === true;
  const watched = { ...watchedBy(context, options), showExpandedEvents };
  const fullDocument = choice(options, 'fullDocument', IMAGES);
  const before = choice(options, 'fullDocumentBeforeChange', IMAGES_BEFORE);
  const splits = pipeline.length > 1 && isSplit(pipeline.at(-1));
  const rest = pipeline.slice(1, splits ? -1 : undefined);
  for (const stage of rest) {
    const name = checkedStage(stage).keys[0] ?? '';
    if (ALLOWED.has(name)) continue;
    if (name === SPLIT) throw new MongoError(7182802, `${SPLIT} must be the last stage in the pipeline`);
    checkKnown(stage, context);
    throw new MongoError(ErrorCode.IllegalOperation, `${name} is not permitted in a $changeStream pipeline`);
  }
  checkReadConcern(command);
  const start: ResumePoint = startOf(options) ?? { position: engine.history.position, kind: 'between' };
  const source = new ChangeStream(
    engine.history,
    watched,
    start.fragment === undefined ? start : beforeEvent(start),
    eventRenderer(engine.store, { fullDocument, before, showExpandedEvents }),
  );
  const tokens = new WeakSet<Value & object>();
  const noted = new MapStream(source, (doc) => {
    tokens.add(doc.get('_id') as Doc);
    return doc;
  });
  const stages = compilePipeline(rest, commandScope(command, undefined), {
    database,
    allowDiskUse: false,
    open: () => {
      throw new MongoError(ErrorCode.IllegalOperation, 'a change stream reads no other collection');
    },
  });
  const events = new MapStream(stages(noted), (doc) => {
    const id = doc.get('_id');
    if (id instanceof Doc && tokens.has(id)) return doc;
    throw new MongoError(
      ErrorCode.ChangeStreamFatalError,
      'Encountered an event whose _id field, which contains the resume token, was modified by the pipeline. Modifying the _id field of an event makes it impossible to resume the stream from that point. Only transformations that retain the unmodified _id field are allowed.',
    );
  });
  if (start.fragment !== undefined && !splits) {
    throw new MongoError(
      ErrorCode.ChangeStreamFatalError,
      `To resume from a split event, the ${SPLIT} stage must be part of the pipeline`,
    );
  }
  const stream = splits ? new SplitStream(events, seenFragments(start)) : events;
  const namespace = watched.scope === 'collection' ? watched.name : `${database}.$cmd.aggregate`;
  const batchSize = numberField(docField(command, 'cursor') ?? Doc.EMPTY, 'batchSize') ?? DEFAULT_BATCH;
  const batch = yield* engine.cursors.follow(namespace, stream, source, batchSize);
  const { id, docs, resumeToken } = batch;
  return ok({ cursor: Doc.of({ firstBatch: docs, postBatchResumeToken: resumeToken, id, ns: namespace }) });
}

function isSplit(stage: Value | undefined): boolean {
  return stage instanceof Doc && stage.size === 1 && stage.keys[0] === SPLIT;
}

/** The event itself is read again: not all of its fragments have been seen. */
function beforeEvent({ position, kind }: ResumePoint): ResumePoint {
  return { position: { ...position, order: position.order - 0.5 }, kind };
}

function seenFragments({ position, kind, fragment }: ResumePoint): { token: string; fragments: number } | undefined {
  if (fragment === undefined) return undefined;
  return { token: String(encodeToken(position, kind).get('_data')), fragments: fragment + 1 };
}

/** Events are those that a majority has: other levels are refused when they are asked for. */
function checkReadConcern(command: Doc): void {
  const level = docField(command, 'readConcern')?.get('level');
  if (level === undefined || level === 'majority') return;
  throw new MongoError(
    ErrorCode.InvalidOptions,
    `$changeStream cannot run with a readConcern other than 'majority'. Current readConcern: ${String(level)}`,
  );
}

/** A stage that does not exist is told from one that is not permitted here. */
function checkKnown(stage: Value, { command, database }: CommandContext): void {
  const open = (): never => {
    throw new MongoError(ErrorCode.IllegalOperation, 'a change stream reads no other collection');
  };
  try {
    compilePipeline([stage], commandScope(command, undefined), { database, allowDiskUse: false, open });
  } catch (error) {
    if (error instanceof MongoError && error.code === UNRECOGNIZED_STAGE) throw error;
  }
}

function watchedBy({ command, database }: CommandContext, options: Doc): Pick<Watched, 'scope' | 'name'> {
  const collection = command.values[0];
  if (typeof collection === 'string') {
    const name = `${database}.${collection}`;
    checkNamespace(name);
    return { scope: 'collection', name };
  }
  if (options.get('allChangesForCluster') !== true) return { scope: 'database', name: database };
  if (database === 'admin') return { scope: 'cluster', name: '' };
  throw new MongoError(
    ErrorCode.InvalidOptions,
    "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database",
  );
}

function choice(options: Doc, field: string, allowed: readonly string[]): string {
  const value = options.get(field) ?? allowed[0];
  if (typeof value === 'string' && allowed.includes(value)) return value;
  throw badValue(`Enumeration value '${String(value)}' for field '$changeStream.${field}' is not a valid value.`);
}

function startOf(options: Doc): ResumePoint | undefined {
  const given = ['resumeAfter', 'startAfter', 'startAtOperationTime'].filter((name) => options.has(name));
  if (given.length > 1) {
    throw new MongoError(
      40674,
      `Only one type of resume option is allowed, but multiple were found: ${given.join(', ')}`,
    );
  }
  const [option] = given;
  if (option === undefined) return undefined;
  const value = options.get(option) as Value;
  if (option === 'startAtOperationTime') return startAt(value);
  const point = decodeToken(value, option);
  if (option === 'resumeAfter' && point.kind === 'invalidate') {
    throw new MongoError(
      ErrorCode.InvalidResumeToken,
      "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.",
    );
  }
  return point;
}
