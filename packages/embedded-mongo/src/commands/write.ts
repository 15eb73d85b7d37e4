import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, failedToParse, MongoError, toMongoError } from '../errors.ts';
import type { Scope } from '../expression/scope.ts';
import type { Counters } from '../plan/scan.ts';
import { parseSort } from '../plan/sort.ts';
import { Slice } from '../plan/stream.ts';
import { Matcher } from '../query/match.ts';
import { patiently } from '../storage/claims.ts';
import type { Collection } from '../storage/collection.ts';
import { compileUpdate, isReplacement } from '../update/update.ts';
import { type CommandContext, docField, listField, namespaceOf, ok, type Pause, type Running } from './context.ts';
import { hintOf } from './find.ts';
import { current, locate, type Target, updateOne, upsertDocument } from './modify.ts';
import { commandScope } from './query.ts';
import { checkTimeSeriesUpdate } from './time-series.ts';
import { writable } from './views.ts';

export const MAX_STATEMENTS = 100_000;

/** Runs the statements of a write command; the first error ends an ordered one. */
function* statements(
  context: CommandContext,
  list: readonly Value[],
  run: (statement: Doc, index: number) => Generator<Pause, void>,
): Generator<Pause, Value[]> {
  if (list.length === 0 || list.length > MAX_STATEMENTS) {
    throw new MongoError(
      ErrorCode.InvalidLength,
      `Write batch sizes must be between 1 and ${MAX_STATEMENTS}. Got ${list.length} operations.`,
    );
  }
  const errors: Value[] = [];
  const ordered = context.command.get('ordered') !== false;
  const slice = new Slice();
  for (let index = 0; index < list.length; index++) {
    const statement = list[index];
    if (!(statement instanceof Doc)) throw failedToParse('write statements have to be objects');
    if (slice.expired()) yield;
    try {
      yield* run(statement, index);
    } catch (thrown) {
      const error = toMongoError(thrown);
      // The transaction is over: there is nothing a client could do about one statement.
      if (error.endsTransaction) throw error;
      errors.push(writeError(index, error));
      if (ordered) break;
    }
  }
  return errors;
}

function writeError(index: number, error: MongoError): Doc {
  return Doc.of({ index, code: error.code, errmsg: error.message, ...error.info });
}

function withErrors(errors: Value[]): Value[] | undefined {
  return errors.length > 0 ? errors : undefined;
}

/** Manual: reference/command/insert. */
export function* insert(context: CommandContext): Running {
  const namespace = namespaceOf(context);
  const { store } = context.engine;
  const validate = context.command.get('bypassDocumentValidation') !== true;
  let n = 0;
  const errors = yield* statements(context, listField(context.command, 'documents'), function* (doc) {
    yield* patiently(() => (writable(store, namespace) ?? store.ensure(namespace)).insert(doc, validate));
    n += 1;
  });
  return ok({ n, writeErrors: withErrors(errors) });
}

const UPDATE_FIELDS = new Set([
  'q',
  'u',
  'c',
  'multi',
  'upsert',
  'collation',
  'arrayFilters',
  'hint',
  'sort',
  'upsertSupplied',
]);

/** Manual: reference/command/update. */
export function* update(context: CommandContext): Running {
  const namespace = namespaceOf(context);
  const outcome = { n: 0, modified: 0, upserted: [] as Value[] };
  const errors = yield* statements(context, listField(context.command, 'updates'), (statement, index) =>
    updateStatement(context, namespace, statement, index, outcome),
  );
  return ok({
    n: outcome.n,
    nModified: outcome.modified,
    upserted: withErrors(outcome.upserted),
    writeErrors: withErrors(errors),
  });
}

/** What the updates of a command add up to. */
export interface UpdateOutcome {
  n: number;
  modified: number;
  upserted: Value[];
}

export function* updateStatement(
  context: CommandContext,
  namespace: string,
  statement: Doc,
  index: number,
  outcome: UpdateOutcome,
  counters: Counters = { keysExamined: 0, docsExamined: 0 },
): Generator<Pause, void> {
  for (const key of statement.keys) {
    if (!UPDATE_FIELDS.has(key)) throw new MongoError(40415, `BSON field 'update.updates.${key}' is an unknown field.`);
  }
  const scope = statementScope(context, namespace, statement);
  const multi = statement.get('multi') === true;
  const upsert = statement.get('upsert') === true;
  const u = statement.get('u');
  if (multi && isReplacement(u)) throw failedToParse('multi update is not supported for replacement-style update');
  if (multi && statement.has('sort')) throw failedToParse('Cannot specify sort with multi=true');
  const target: Target = {
    matcher: new Matcher(docField(statement, 'q') ?? Doc.EMPTY, { scope }),
    sort: parseSort(statement.get('sort')),
    hint: hintOf(statement),
  };
  const compiled = compileUpdate(u, statement.get('arrayFilters'), scope);
  const { store } = context.engine;
  const validate = context.command.get('bypassDocumentValidation') !== true;
  checkTimeSeriesUpdate(store.get(namespace), statement);
  for (;;) {
    const collection = writable(store, namespace);
    const found =
      collection === undefined ? [] : yield* locate(collection, target, multi ? Number.POSITIVE_INFINITY : 1, counters);
    let matched = 0;
    const slice = new Slice();
    for (const stored of found) {
      if (slice.expired()) yield;
      const changed = yield* patiently(() => {
        const before = current(collection as Collection, stored, target.matcher);
        if (before === undefined) return undefined;
        const { recordId } = stored;
        return updateOne(collection as Collection, recordId, before, compiled, target.matcher, validate) !== before;
      });
      if (changed === undefined) continue;
      matched += 1;
      outcome.n += 1;
      if (changed) outcome.modified += 1;
    }
    // What was found first has been changed meanwhile: look again.
    if (found.length > 0 && matched === 0 && !multi) continue;
    if (matched > 0 || !upsert) return;
    const made = upsertDocument(target.matcher, compiled, isReplacement(u));
    const { doc } = yield* patiently(() => store.ensure(namespace).insert(made, validate));
    outcome.n += 1;
    outcome.upserted.push(Doc.of({ index, _id: doc.get('_id') ?? null }));
    return;
  }
}

/** `let` of the command, and of one statement `c`, its constants, and its collation. */
function statementScope({ command, engine }: CommandContext, namespace: string, statement: Doc): Scope {
  const constants = statement.get('c');
  const variables = constants instanceof Doc ? new Doc(['let'], [constants]) : command;
  return commandScope(variables, engine.store.get(namespace), statement);
}

/** Manual: reference/command/delete. */
export function* remove(context: CommandContext): Running {
  const namespace = namespaceOf(context);
  let n = 0;
  const errors = yield* statements(context, listField(context.command, 'deletes'), function* (statement) {
    const given = statement.get('limit');
    const limit = isNumeric(given) ? toDouble(given) : Number.NaN;
    if (limit !== 0 && limit !== 1) {
      throw failedToParse(`The limit field in delete objects must be 0 or 1. Got ${limit}`);
    }
    n += yield* deleteStatement(context, namespace, docField(statement, 'q') ?? Doc.EMPTY, limit === 1, statement);
  });
  return ok({ n, writeErrors: withErrors(errors) });
}

/** Deletes one document, or all that match; returns how many. `options` holds the statement's hint and collation. */
export function* deleteStatement(
  context: CommandContext,
  namespace: string,
  filter: Doc,
  one: boolean,
  options: Doc,
): Generator<Pause, number> {
  const target: Target = {
    matcher: new Matcher(filter, { scope: statementScope(context, namespace, options) }),
    sort: [],
    hint: hintOf(options),
  };
  const counters = { keysExamined: 0, docsExamined: 0 };
  for (;;) {
    const collection = writable(context.engine.store, namespace);
    if (collection === undefined) return 0;
    const found = yield* locate(collection, target, one ? 1 : Number.POSITIVE_INFINITY, counters);
    const slice = new Slice();
    let removed = 0;
    for (const stored of found) {
      if (slice.expired()) yield;
      removed += yield* patiently(() => {
        const doc = current(collection, stored, target.matcher);
        if (doc === undefined) return 0;
        collection.remove(stored.recordId, doc);
        return 1;
      });
    }
    if (!one || removed > 0 || found.length === 0) return removed;
  }
}
