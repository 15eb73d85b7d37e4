import { checkedStage, compilePipeline, type PipelineContext } from '../aggregate/pipeline.ts';
import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { failedToParse } from '../errors.ts';
import type { Scope } from '../expression/scope.ts';
import { parseSort } from '../plan/sort.ts';
import { ListStream, type Stream } from '../plan/stream.ts';
import { Matcher } from '../query/match.ts';
import { DEFAULT_BATCH } from '../server/cursors.ts';
import { type CommandContext, docField, listField, numberField, type Running } from './context.ts';
import { cursorReply, hintOf } from './find.ts';
import { commandScope, type OpenQuery, openQuery, type QuerySpec } from './query.ts';

/** What the leading `$match`, `$sort` and `$limit` ask for can be had from the collection with its indexes. */
function pushDown(
  pipeline: readonly Value[],
  scope: Scope,
  hint: Value | undefined,
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
  return { spec: { matcher: new Matcher(filter, { scope }), sort, skip: 0, limit, hint }, rest: pipeline.slice(at) };
}

export interface OpenPipeline {
  readonly query: OpenQuery;
  readonly spec: QuerySpec;
  readonly stream: Stream;
}

export function openPipeline(
  context: CommandContext,
  namespace: string,
  pipeline: readonly Value[],
  scope: Scope,
  hint?: Value,
): OpenPipeline {
  const { spec, rest } = pushDown(pipeline, scope, hint);
  const pipelineContext: PipelineContext = {
    database: context.database,
    open: (inner, stages, innerScope) => openPipeline(context, inner, stages, innerScope).stream,
  };
  const run = compilePipeline(rest, scope, pipelineContext);
  const query = openQuery(context.engine.store.get(namespace), spec);
  const stream = run(query.stream);
  return { query: { ...query, stream }, spec, stream };
}

/** Manual: reference/command/aggregate. */
export function* aggregate(context: CommandContext): Running {
  const { command, database } = context;
  const pipeline = listField(command, 'pipeline');
  const collection = command.values[0];
  const namespace = typeof collection === 'string' ? `${database}.${collection}` : `${database}.$cmd.aggregate`;
  const cursor = docField(command, 'cursor');
  if (cursor === undefined && command.get('explain') !== true) {
    throw failedToParse("The 'cursor' option is required, except for aggregate with the explain argument");
  }
  const { stream } = openPipeline(
    context,
    namespace,
    pipeline,
    commandScope(command, context.engine.store.get(namespace)),
    hintOf(command),
  );
  const batchSize = cursor === undefined ? DEFAULT_BATCH : (numberField(cursor, 'batchSize') ?? DEFAULT_BATCH);
  return yield* cursorReply(context, namespace, stream, batchSize);
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
