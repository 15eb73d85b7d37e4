import { Doc } from '../bson/values.ts';
import { ErrorCode, failedToParse, MongoError } from '../errors.ts';
import { parseSort } from '../plan/sort.ts';
import { Matcher } from '../query/match.ts';
import { patiently } from '../storage/claims.ts';
import { compileUpdate, isReplacement } from '../update/update.ts';
import { type CommandContext, docField, namespaceOf, ok, type Running } from './context.ts';
import { hintOf } from './find.ts';
import { compileFindProjection } from './find-projection.ts';
import { current, locate, type Target, updateOne, upsertDocument } from './modify.ts';
import { commandScope } from './query.ts';
import { writable } from './views.ts';

/** Manual: reference/command/findAndModify. */
export function* findAndModify(context: CommandContext): Running {
  const { command, engine } = context;
  const namespace = namespaceOf(context);
  const scope = commandScope(command, engine.store.get(namespace));
  const removes = command.get('remove') === true;
  const returnsNew = command.get('new') === true;
  const upsert = command.get('upsert') === true;
  const u = command.get('update');
  if (removes === (u !== undefined)) {
    throw failedToParse(
      removes ? 'Cannot specify both an update and remove=true' : 'Either an update or remove=true must be specified',
    );
  }
  if (removes && (upsert || returnsNew)) {
    throw failedToParse(`Cannot specify both ${upsert ? 'upsert=true' : 'new=true'} and remove=true`);
  }
  const target: Target = {
    matcher: new Matcher(docField(command, 'query') ?? Doc.EMPTY, { scope }),
    sort: parseSort(command.get('sort')),
    hint: hintOf(command),
  };
  const fields = docField(command, 'fields');
  const project =
    fields === undefined || fields.size === 0
      ? (doc: Doc): Doc => doc
      : compileFindProjection(fields, target.matcher, scope);
  const compiled = removes ? undefined : compileUpdate(u, command.get('arrayFilters'), scope);
  if (compiled !== undefined && engine.store.get(namespace)?.kind.timeSeries !== undefined) {
    throw new MongoError(ErrorCode.InvalidOptions, 'Cannot perform a findAndModify update on a time-series collection');
  }
  const validate = command.get('bypassDocumentValidation') !== true;
  const counters = { keysExamined: 0, docsExamined: 0 };
  for (;;) {
    const collection = writable(engine.store, namespace);
    const [stored] = collection === undefined ? [] : yield* locate(collection, target, 1, counters);
    if (collection !== undefined && stored !== undefined) {
      const change = yield* patiently(() => {
        const before = current(collection, stored, target.matcher);
        if (before === undefined) return undefined;
        if (compiled !== undefined)
          return { before, after: updateOne(collection, stored.recordId, before, compiled, target.matcher, validate) };
        collection.remove(stored.recordId, before);
        return { before, after: undefined };
      });
      // Another command was faster: look again.
      if (change === undefined) continue;
      const { before, after } = change;
      if (after === undefined) return ok({ lastErrorObject: Doc.of({ n: 1 }), value: project(before) });
      return ok({
        lastErrorObject: Doc.of({ n: 1, updatedExisting: true }),
        value: project(returnsNew ? after : before),
      });
    }
    if (compiled === undefined) return ok({ lastErrorObject: Doc.of({ n: 0 }), value: null });
    if (!upsert) return ok({ lastErrorObject: Doc.of({ n: 0, updatedExisting: false }), value: null });
    const made = upsertDocument(target.matcher, compiled, isReplacement(u));
    const { doc } = yield* patiently(() => engine.store.ensure(namespace).insert(made, validate));
    return ok({
      lastErrorObject: Doc.of({ n: 1, updatedExisting: false, upserted: doc.get('_id') ?? null }),
      value: returnsNew ? project(doc) : null,
    });
  }
}
