import { DateTime, Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { compileExpression } from '../expression/compile.ts';
import type { Scope } from '../expression/scope.ts';
import type { CommandContext } from './context.ts';
import { serverSource, sessionsOf } from './server-sources.ts';
import { scaleOf, statisticsOf } from './statistics.ts';

/** The documents that a first stage brings of its own, or `undefined` when the pipeline reads its collection. */
export function ownSource(
  context: CommandContext,
  namespace: string,
  first: Value | undefined,
  scope: Scope,
): Doc[] | undefined {
  if (!(first instanceof Doc)) return undefined;
  const operand = first.values[0] as Value;
  switch (first.keys[0]) {
    case '$documents':
      return documents(namespace, operand, scope);
    case '$currentOp':
    case '$listLocalSessions':
      return serverSource(context, namespace, first.keys[0], operand);
    case '$listSessions':
      return namespace === 'config.system.sessions' ? sessionsOf(context, operand, '$listSessions') : undefined;
    case '$collStats':
      return [collectionStatistics(context, namespace, operand)];
    case '$indexStats':
      return indexStatistics(context, namespace);
    default:
      return undefined;
  }
}

/** Manual: reference/operator/aggregation/documents. */
function documents(namespace: string, operand: Value, scope: Scope): Doc[] {
  if (!namespace.endsWith('.$cmd.aggregate')) {
    throw new MongoError(ErrorCode.InvalidNamespace, "'$documents' can only be run with {aggregate: 1}");
  }
  const list = compileExpression(operand, scope)(scope.environment(Doc.EMPTY));
  if (!Array.isArray(list)) throw new MongoError(5858203, 'an array is expected from $documents');
  return list.map((entry) => {
    if (entry instanceof Doc) return entry;
    throw new MongoError(40228, '$documents has to evaluate to an array of objects');
  });
}

/** Manual: reference/operator/aggregation/collStats. */
function collectionStatistics(context: CommandContext, namespace: string, operand: Value): Doc {
  if (!(operand instanceof Doc)) throw new MongoError(5447000, '$collStats must take a nested object');
  const collection = context.engine.store.get(namespace);
  const host = `${context.engine.host}:${context.engine.port}`;
  const fields: Record<string, Value> = { ns: namespace, host, localTime: new DateTime(Date.now()) };
  for (const key of operand.keys) {
    if (key === 'count' || key === 'storageStats') {
      if (collection === undefined) {
        throw new MongoError(
          ErrorCode.NamespaceNotFound,
          `Unable to retrieve ${key} in $collStats stage :: caused by :: Collection [${namespace}] not found.`,
        );
      }
      if (key === 'count') fields.count = collection.records.size;
      else {
        const options = operand.get(key);
        const scale = options instanceof Doc ? scaleOf(options) : 1;
        fields.storageStats = Doc.of(statisticsOf(collection, scale));
      }
    } else if (key === 'latencyStats' || key === 'queryExecStats') {
      throw new MongoError(ErrorCode.NotImplemented, `$collStats option '${key}' is not supported by this server`);
    } else {
      throw new MongoError(40415, `BSON field '$collStats.${key}' is an unknown field.`);
    }
  }
  return Doc.of(fields);
}

/** Manual: reference/operator/aggregation/indexStats. Counted are the queries and writes that read by it. */
function indexStatistics(context: CommandContext, namespace: string): Doc[] {
  const { engine } = context;
  return (engine.store.get(namespace)?.listedIndexes ?? []).map(({ spec, usage }) =>
    Doc.of({
      name: spec.name,
      key: spec.key,
      host: `${engine.host}:${engine.port}`,
      accesses: Doc.of({ ops: BigInt(usage.ops), since: new DateTime(usage.since) }),
      spec: spec.document,
    }),
  );
}
