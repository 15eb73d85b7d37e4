import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { isWildcardPath } from '../indexes/kinds.ts';
import { isCountOfOneRange } from '../plan/covering.ts';
import type { IndexPlan, Plan } from '../plan/planner.ts';
import { conjuncts } from '../plan/predicates.ts';
import { parseSort } from '../plan/sort.ts';
import { PAUSE } from '../plan/stream.ts';
import { Matcher } from '../query/match.ts';
import type { Collection } from '../storage/collection.ts';
import { endsInWrite, openPipeline } from './aggregate.ts';
import { type CommandContext, docField, listField, namespaceOf, ok, type Running } from './context.ts';
import { countSpec, distinctSpec, openOn } from './count-distinct.ts';
import { hintOf, openFind, parseFind } from './find.ts';
import { commandScope, type OpenQuery, openQuery, type QuerySpec } from './query.ts';

interface Explained {
  readonly query: OpenQuery;
  readonly spec: QuerySpec;
  readonly projected: boolean;
  /** Reading ends at the first match: updates and deletes of one. */
  readonly most: number;
  /** The stage of a write, around the one that finds. */
  readonly around: string | undefined;
}

/** Manual: reference/command/explain. The query is really run; the counts are those of that run. Writes write nothing. */
export function* explain(context: CommandContext): Running {
  const inner = context.command.values[0];
  if (!(inner instanceof Doc)) throw new MongoError(ErrorCode.TypeMismatch, 'explain needs a command');
  const verbosity = context.command.get('verbosity') ?? 'allPlansExecution';
  const namespace = namespaceOf({ ...context, command: inner });
  const explained = open({ ...context, command: inner, name: inner.keys[0] as string }, namespace);
  const { query, spec } = explained;
  const started = performance.now();
  let returned = 0;
  while (verbosity !== 'queryPlanner' && returned < explained.most) {
    const doc = query.stream.next();
    if (doc === undefined) break;
    if (doc === PAUSE) {
      query.stream.detach();
      yield;
    } else returned += 1;
  }
  const stages = stageTree(explained, verbosity === 'queryPlanner' ? undefined : returned);
  const queryPlanner = Doc.of({
    namespace,
    parsedQuery: spec.matcher.filter,
    indexFilterSet: false,
    winningPlan: stageTree(explained, undefined),
    rejectedPlans: [],
  });
  const executionStats =
    verbosity === 'queryPlanner'
      ? undefined
      : Doc.of({
          executionSuccess: true,
          nReturned: returned,
          executionTimeMillis: Math.round(performance.now() - started),
          totalKeysExamined: query.counters.keysExamined,
          totalDocsExamined: query.counters.docsExamined,
          executionStages: stages,
        });
  return ok({
    explainVersion: '1',
    queryPlanner,
    executionStats,
    command: inner,
    serverInfo: Doc.of({ host: context.engine.host, port: context.engine.port, version: context.engine.version }),
    serverParameters: Doc.EMPTY,
  });
}

function open(context: CommandContext, namespace: string): Explained {
  const { command, name, engine } = context;
  const collection = engine.store.get(namespace);
  switch (name) {
    case 'find': {
      const request = parseFind(context);
      return {
        query: openFind(context, request),
        spec: request.spec,
        projected: request.projection !== undefined,
        most: Number.POSITIVE_INFINITY,
        around: undefined,
      };
    }
    case 'aggregate': {
      const scope = commandScope(command, collection);
      const pipeline = listField(command, 'pipeline');
      // What is explained writes nothing.
      const stages = endsInWrite(command) ? pipeline.slice(0, -1) : pipeline;
      const { query, spec } = openPipeline(context, namespace, stages, scope, hintOf(command));
      return { query, spec, projected: false, most: Number.POSITIVE_INFINITY, around: undefined };
    }
    case 'count':
    case 'distinct': {
      const spec =
        name === 'count'
          ? countSpec(command, collection)
          : distinctSpec(command, collection, String(command.get('key')));
      return {
        query: openOn(context, collection, spec),
        spec,
        projected: false,
        most: Number.POSITIVE_INFINITY,
        around: name === 'count' ? 'COUNT' : undefined,
      };
    }
    case 'update':
    case 'delete': {
      const statement = listField(command, name === 'update' ? 'updates' : 'deletes')[0];
      if (!(statement instanceof Doc))
        throw new MongoError(ErrorCode.InvalidOptions, 'explained write batches must be of size 1');
      const one = name === 'update' ? statement.get('multi') !== true : Number(statement.get('limit')) === 1;
      const spec = targetSpec(context, collection, docField(statement, 'q'), statement);
      return {
        query: openQuery(collection, spec),
        spec,
        projected: false,
        most: one ? 1 : Number.POSITIVE_INFINITY,
        around: name.toUpperCase(),
      };
    }
    case 'findAndModify':
    case 'findandmodify': {
      const spec = targetSpec(context, collection, docField(command, 'query'), command);
      return {
        query: openQuery(collection, spec),
        spec,
        projected: false,
        most: 1,
        around: command.get('remove') === true ? 'DELETE' : 'UPDATE',
      };
    }
    default:
      throw new MongoError(ErrorCode.CommandNotFound, `Explain failed due to unknown command: ${name}`);
  }
}

function targetSpec(
  { command }: CommandContext,
  collection: Collection | undefined,
  filter: Doc | undefined,
  source: Doc,
): QuerySpec {
  const matcher = new Matcher(filter ?? Doc.EMPTY, { scope: commandScope(command, collection, source) });
  return { matcher, sort: parseSort(source.get('sort')), skip: 0, limit: 0, hint: hintOf(source) };
}

/** The stages from the inside out. */
function stageTree({ query, spec, projected, around }: Explained, returned: number | undefined): Doc {
  let stage = accessStage(query.plan, spec, query, returned);
  const wrap = (name: string, fields: Record<string, Value> = {}): void => {
    stage = Doc.of({
      stage: name,
      ...(returned === undefined ? {} : { nReturned: returned }),
      ...fields,
      inputStage: stage,
    });
  };
  if (!query.plan.sorted) wrap('SORT', { sortPattern: sortPattern(spec) });
  if (spec.skip > 0) wrap('SKIP', { skipAmount: spec.skip });
  if (spec.limit > 0) wrap('LIMIT', { limitAmount: spec.limit });
  const isCovered = query.plan.kind === 'index' && query.plan.covers === true;
  if (projected || (isCovered && around === undefined)) wrap(isCovered ? 'PROJECTION_COVERED' : 'PROJECTION_DEFAULT');
  if (around !== undefined) wrap(around);
  return stage;
}

function sortPattern(spec: QuerySpec): Doc {
  return new Doc(
    spec.sort.map(({ path }) => path),
    spec.sort.map(({ direction }) => direction),
  );
}

/**
 * One document by its `_id` is found on a short way since MongoDB 8.0, and the documents of a clustered collection
 * without an index (manual: reference/explain-results, "Express", and core/clustered-collections).
 */
function directStage(plan: Plan, spec: QuerySpec, query: OpenQuery, returned: number | undefined): Doc | undefined {
  if (plan.kind !== 'index' || plan.index !== query.idIndex) return undefined;
  const { index, bounds, backward } = plan;
  const { keysExamined, docsExamined } = query.counters;
  const isClustered = index.spec.document.get('clustered') === true;
  const counts = returned === undefined ? {} : { nReturned: returned, docsExamined };
  const [only] = spec.matcher.filter.keys;
  const isExpress = bounds.unique && only === '_id' && spec.matcher.filter.size === 1 && spec.hint === undefined;
  if (isExpress && !isClustered) {
    return Doc.of({
      stage: 'EXPRESS_IXSCAN',
      ...counts,
      ...(returned === undefined ? {} : { keysExamined }),
      keyPattern: '{ _id: 1 }',
      indexName: index.spec.name,
    });
  }
  if (isExpress) return Doc.of({ stage: 'EXPRESS_CLUSTERED_IXSCAN', ...counts });
  if (!isClustered) return undefined;
  return Doc.of({
    stage: bounds.bounded > 0 ? 'CLUSTERED_IXSCAN' : 'COLLSCAN',
    filter: spec.matcher.matchesAll ? undefined : spec.matcher.filter,
    ...counts,
    direction: backward ? 'backward' : 'forward',
  });
}

function accessStage(plan: Plan, spec: QuerySpec, query: OpenQuery, returned: number | undefined): Doc {
  const direct = directStage(plan, spec, query, returned);
  if (direct !== undefined) return direct;
  const { keysExamined, docsExamined } = query.counters;
  const filter = spec.matcher.matchesAll ? undefined : spec.matcher.filter;
  const counts = (fields: Record<string, Value>): Record<string, Value> => (returned === undefined ? {} : fields);
  if (plan.kind === 'collection') {
    return Doc.of({
      stage: 'COLLSCAN',
      filter,
      ...counts({ nReturned: returned ?? 0, docsExamined }),
      direction: plan.backward ? 'backward' : 'forward',
    });
  }
  if (plan.kind === 'index' && plan.covers === true) {
    const isCounted = spec.wanted?.size === 0 && isCountOfOneRange(plan, conjuncts(spec.matcher.root));
    return indexStage(plan, counts({ nReturned: returned ?? 0, keysExamined }), isCounted ? 'COUNT_SCAN' : 'IXSCAN');
  }
  const input =
    plan.kind === 'index'
      ? { inputStage: indexStage(plan, counts({ keysExamined })) }
      : { inputStage: Doc.of({ stage: 'OR', inputStages: plan.branches.map((branch) => indexStage(branch, {})) }) };
  return Doc.of({ stage: 'FETCH', filter, ...counts({ nReturned: returned ?? 0, docsExamined }), ...input });
}

function indexStage({ index, backward, wildcard }: IndexPlan, counts: Record<string, Value>, stage = 'IXSCAN'): Doc {
  return Doc.of({
    stage,
    ...counts,
    keyPattern: wildcard?.path === undefined ? index.spec.key : expanded(index.spec.key, wildcard.path),
    indexName: index.spec.name,
    isMultiKey: wildcard?.isMultikey ?? index.isMultikey,
    isUnique: index.spec.unique,
    isSparse: index.spec.sparse,
    isPartial: index.partial !== undefined,
    indexVersion: 2,
    direction: backward ? 'backward' : 'forward',
  });
}

/** The key of a wildcard index as it serves one query: with the path that the wildcard stands for. */
function expanded(key: Doc, path: string): Doc {
  const entries = [...key.entries()].flatMap(([name, direction]): [string, Value][] =>
    isWildcardPath(name)
      ? [
          ['$_path', 1],
          [path, direction],
        ]
      : [[name, direction]],
  );
  return new Doc(
    entries.map(([name]) => name),
    entries.map(([, direction]) => direction),
  );
}
