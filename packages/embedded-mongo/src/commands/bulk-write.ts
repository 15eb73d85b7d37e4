import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, failedToParse, MongoError, toMongoError } from '../errors.ts';
import { ListStream, Slice } from '../plan/stream.ts';
import { patiently } from '../storage/claims.ts';
import { checkNamespace } from '../storage/database.ts';
import { type CommandContext, docField, listField, ok, type Pause, type Running } from './context.ts';
import { writable } from './views.ts';
import { deleteStatement, MAX_STATEMENTS, type UpdateOutcome, updateStatement } from './write.ts';

interface Totals {
  inserted: number;
  deleted: number;
  matched: number;
  modified: number;
  upserted: number;
  errors: number;
}

/** Manual: reference/command/bulkWrite: writes to several collections in one command, with a cursor over their results. */
export function* bulkWrite(context: CommandContext): Running {
  const { command } = context;
  const operations = listField(command, 'ops');
  if (operations.length === 0 || operations.length > MAX_STATEMENTS) {
    throw badValue(`Write batch sizes must be between 1 and ${MAX_STATEMENTS}. Got ${operations.length} operations.`);
  }
  const namespaces = listField(command, 'nsInfo').map((info) => {
    const namespace = info instanceof Doc ? info.get('ns') : undefined;
    if (typeof namespace !== 'string') throw badValue('nsInfo has to name a namespace');
    checkNamespace(namespace);
    return namespace;
  });
  const ordered = command.get('ordered') !== false;
  const errorsOnly = command.get('errorsOnly') === true;
  const totals: Totals = { inserted: 0, deleted: 0, matched: 0, modified: 0, upserted: 0, errors: 0 };
  const results: Doc[] = [];
  const slice = new Slice();
  for (const [idx, operation] of operations.entries()) {
    if (slice.expired()) yield;
    if (!(operation instanceof Doc)) throw failedToParse('bulkWrite operations have to be objects');
    try {
      const fields = yield* runOperation(context, operation, namespaces, totals);
      if (!errorsOnly) results.push(Doc.of({ ok: 1, idx, ...fields }));
    } catch (thrown) {
      const error = toMongoError(thrown);
      if (error.endsTransaction) throw error;
      totals.errors += 1;
      results.push(Doc.of({ ok: 0, idx, code: error.code, errmsg: error.message, ...error.info, n: 0 }));
      if (ordered) break;
    }
  }
  const namespace = 'admin.$cmd.bulkWrite';
  const cursor = yield* context.engine.cursors.start(
    namespace,
    new ListStream(results),
    Number.POSITIVE_INFINITY,
    false,
  );
  return ok({
    cursor: Doc.of({ id: cursor.id, firstBatch: cursor.docs, ns: namespace }),
    nErrors: totals.errors,
    nInserted: totals.inserted,
    nMatched: totals.matched,
    nModified: totals.modified,
    nUpserted: totals.upserted,
    nDeleted: totals.deleted,
  });
}

function* runOperation(
  context: CommandContext,
  operation: Doc,
  namespaces: readonly string[],
  totals: Totals,
): Generator<Pause, Record<string, Value | undefined>> {
  const kind = operation.keys[0];
  const position = operation.values[0];
  const namespace = isNumeric(position) ? namespaces[toDouble(position)] : undefined;
  if (namespace === undefined) throw badValue('BulkWrite ops entry has an invalid nsInfo index');
  switch (kind) {
    case 'insert': {
      const validate = context.command.get('bypassDocumentValidation') !== true;
      const { store } = context.engine;
      const document = docField(operation, 'document') ?? Doc.EMPTY;
      yield* patiently(() => (writable(store, namespace) ?? store.ensure(namespace)).insert(document, validate));
      totals.inserted += 1;
      return { n: 1 };
    }
    case 'update': {
      const outcome: UpdateOutcome = { n: 0, modified: 0, upserted: [] };
      yield* updateStatement(context, namespace, asUpdateStatement(operation), 0, outcome);
      const upserted = outcome.upserted[0];
      if (upserted === undefined) totals.matched += outcome.n;
      else totals.upserted += 1;
      totals.modified += outcome.modified;
      return {
        n: outcome.n,
        nModified: outcome.modified,
        upserted: upserted instanceof Doc ? Doc.of({ _id: upserted.get('_id') }) : undefined,
      };
    }
    case 'delete': {
      const filter = docField(operation, 'filter') ?? Doc.EMPTY;
      const n = yield* deleteStatement(context, namespace, filter, operation.get('multi') !== true, operation);
      totals.deleted += n;
      return { n };
    }
    default:
      throw new MongoError(40415, `BSON field 'bulkWrite.ops.${kind ?? ''}' is an unknown field.`);
  }
}

/** The same statement under the names that the `update` command uses. */
function asUpdateStatement(operation: Doc): Doc {
  return Doc.of({
    q: operation.get('filter'),
    u: operation.get('updateMods'),
    multi: operation.get('multi'),
    upsert: operation.get('upsert'),
    arrayFilters: operation.get('arrayFilters'),
    hint: operation.get('hint'),
    sort: operation.get('sort'),
    collation: operation.get('collation'),
    c: operation.get('constants'),
  });
}
