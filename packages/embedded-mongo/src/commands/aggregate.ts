import { checkedStage, compilePipeline, isWriting, type PipelineContext } from '../aggregate/pipeline.ts';
import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, failedToParse, MongoError } from '../errors.ts';
import type { Scope } from '../expression/scope.ts';
import { parseSort } from '../plan/sort.ts';
import { ListStream, type Stream } from '../plan/stream.ts';
import { Matcher } from '../query/match.ts';
import { DEFAULT_BATCH } from '../server/cursors.ts';
import { writerOf } from './aggregate-write.ts';
import { changeStream, isChangeStream } from './change-stream.ts';
import { type CommandContext, docField, listField, numberField, type Running } from './context.ts';
import { cursorReply, hintOf } from './find.ts';
import { commandScope, type OpenQuery, openQuery, type QuerySpec } from './query.ts';
import { ownSource } from './sources.ts';
import { resolveView } from './views.ts';
import { wantedByPipeline } from './wanted-fields.ts';

/** What the leading `$match`, `$sort` and `$limit` ask for can be had from the collection with its indexes. */
function pushDown(
  pipeline: readonly Value[],
  scope: Scope,
  hint: Value | undefined,
  allowDiskUse: boolean,
): { spec: QuerySpec; rest: readonly Value[] } {
  let at = 0;
  let filter = Doc.EMPTY;
  const filters: Doc[] = [];
  let sort: QuerySpec['sort'] = [];
  let limit = 0;
  for (; at < pipeline.length; at++) {
    const stage = checkedStage(pipeline[at] as Value);
    const value = stage.values[0];
    if (stage.keys[0] === '$match' && value instanceof Doc && sort.length === 0 && limit === 0) filters.push(value);
    else if (stage.keys[0] === '$sort' && value instanceof Doc && value.size > 0 && sort.length === 0 && limit === 0)
      sort = parseSort(value);
    else if (
      stage.keys[0] === '$limit' &&
      isNumeric(value) &&
      toDouble(value) > 0 &&
      Number.isInteger(toDouble(value)) &&
      limit === 0
    )
      limit = toDouble(value);
    else break;
  }
  if (filters.length === 1) filter = filters[0] as Doc;
  else if (filters.length > 1) filter = new Doc(['$and'], [filters]);
  const rest = pipeline.slice(at);
  const matcher = new Matcher(filter, { scope });
  return { spec: { matcher, sort, skip: 0, limit, hint, allowDiskUse, wanted: wantedByPipeline(rest) }, rest };
}

export interface OpenPipeline {
  readonly query: OpenQuery;
  readonly spec: QuerySpec;
  readonly stream: Stream;
}

export function openPipeline(
  context: CommandContext,
  given: string,
  stages: readonly Value[],
  scope: Scope,
  hint?: Value,
): OpenPipeline {
  const { store } = context.engine;
  const { namespace, pipeline } = resolveView(store, given, stages);
  const pipelineContext: PipelineContext = {
    database: context.database,
    allowDiskUse: context.command.get('allowDiskUse') !== false,
    open: (inner, innerStages, innerScope) => openPipeline(context, inner, innerStages, innerScope).stream,
  };
  const own = ownSource(context, namespace, pipeline[0], scope);
  const { spec, rest } = pushDown(own === undefined ? pipeline : [], scope, hint, pipelineContext.allowDiskUse);
  const run = compilePipeline(own === undefined ? rest : pipeline.slice(1), scope, pipelineContext);
  const query = openQuery(own === undefined ? store.get(namespace) : undefined, spec);
  const stream = run(own === undefined ? query.stream : new ListStream(own));
  return { query: { ...query, stream }, spec, stream };
}

/** Manual: reference/command/aggregate. */
export function* aggregate(context: CommandContext): Running {
  const { command, database, engine } = context;
  const pipeline = listField(command, 'pipeline');
  if (isChangeStream(pipeline)) return yield* changeStream(context, pipeline);
  const collection = command.values[0];
  const namespace = typeof collection === 'string' ? `${database}.${collection}` : `${database}.$cmd.aggregate`;
  const cursor = docField(command, 'cursor');
  if (cursor === undefined && command.get('explain') !== true) {
    throw failedToParse("The 'cursor' option is required, except for aggregate with the explain argument");
  }
  if (typeof collection !== 'string') checkSourceless(pipeline);
  const scope = commandScope(command, engine.store.get(namespace));
  const writes = endsInWrite(command);
  if (writes) checkWritingConcern(command);
  const writer = writes ? writerOf(context, pipeline.at(-1) as Value, scope) : undefined;
  const stages = writes ? pipeline.slice(0, -1) : pipeline;
  const { stream } = openPipeline(context, namespace, stages, scope, hintOf(command));
  if (writer !== undefined) {
    yield* writer(stream);
    return yield* cursorReply(context, namespace, new ListStream([]), DEFAULT_BATCH);
  }
  const batchSize = cursor === undefined ? DEFAULT_BATCH : (numberField(cursor, 'batchSize') ?? DEFAULT_BATCH);
  return yield* cursorReply(context, namespace, stream, batchSize);
}

/** Whether the results go into a collection: such a pipeline is a write. */
export function endsInWrite(command: Doc): boolean {
  const pipeline = command.get('pipeline');
  const last = Array.isArray(pipeline) ? pipeline.at(-1) : undefined;
  return last instanceof Doc && isWriting(last.keys[0]);
}

/** Manual: reference/operator/aggregation/out, "Read Concern". */
function checkWritingConcern(command: Doc): void {
  const concern = docField(command, 'readConcern');
  if (concern?.get('level') !== 'linearizable') return;
  throw new MongoError(
    ErrorCode.InvalidOptions,
    "$out and $merge cannot be used with a 'linearizable' read concern level",
  );
}

const SOURCES_WITHOUT_COLLECTION = new Set(['$currentOp', '$documents', '$listLocalSessions']);

/** `{aggregate: 1}` has no collection to read from. */
function checkSourceless(pipeline: readonly Value[]): void {
  const [first] = pipeline;
  const name = first instanceof Doc ? first.keys[0] : undefined;
  if (name !== undefined && SOURCES_WITHOUT_COLLECTION.has(name)) return;
  throw new MongoError(
    ErrorCode.InvalidNamespace,
    `{aggregate: 1} is not valid for '${name ?? 'an empty pipeline'}'; a collection is required.`,
  );
}

/** A fixed list as a cursor, as the commands that list things answer. */
export function* listReply(context: CommandContext, namespace: string, docs: Doc[]): Running {
  const cursor = docField(context.command, 'cursor') ?? Doc.EMPTY;
  return yield* cursorReply(
    context,
    namespace,
    new ListStream(docs),
    numberField(cursor, 'batchSize') ?? Number.POSITIVE_INFINITY,
  );
}
