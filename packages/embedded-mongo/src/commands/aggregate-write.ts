import { randomUUID } from 'node:crypto';
import { checkedStage } from '../aggregate/pipeline.ts';
import { compileDocTransform } from '../aggregate/transforms.ts';
import { compare } from '../bson/compare.ts';
import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, failedToParse, MongoError } from '../errors.ts';
import { isNullish } from '../expression/arguments.ts';
import { compileExpression, valueAt } from '../expression/compile.ts';
import { mergeDocs } from '../expression/objects.ts';
import { type Scope, topScope } from '../expression/scope.ts';
import { PAUSE, Slice, type Stream } from '../plan/stream.ts';
import { Matcher } from '../query/match.ts';
import { patiently } from '../storage/claims.ts';
import type { Collection } from '../storage/collection.ts';
import { checkNamespace } from '../storage/database.ts';
import type { CommandContext, Pause } from './context.ts';
import { locate } from './modify.ts';
import { writable } from './views.ts';

/** The documents of a stream, letting others run in between. */
function* each(stream: Stream, use: (doc: Doc) => Generator<Pause, void> | undefined): Generator<Pause, void> {
  for (;;) {
    const doc = stream.next();
    if (doc === undefined) return;
    if (doc === PAUSE) {
      stream.detach();
      yield;
      continue;
    }
    const running = use(doc);
    if (running !== undefined) {
      stream.detach();
      yield* running;
    }
  }
}

/** A writing stage, checked before anything is read. */
export type Writer = (stream: Stream) => Generator<Pause, void>;

export function writerOf(context: CommandContext, stage: Value, scope: Scope): Writer {
  const { keys, values } = checkedStage(stage);
  const specification = values[0] as Value;
  return keys[0] === '$out' ? outWriter(context, specification) : mergeWriter(context, specification, scope);
}

function targetOf(context: CommandContext, into: Value | undefined, stage: string): string {
  const parts =
    typeof into === 'string'
      ? [context.database, into]
      : into instanceof Doc
        ? [into.get('db') ?? context.database, into.get('coll')]
        : [];
  const [database, name] = parts;
  if (typeof database !== 'string' || typeof name !== 'string') {
    throw new MongoError(stage === '$out' ? 16990 : 51178, `${stage} needs the name of a collection`);
  }
  const namespace = `${database}.${name}`;
  checkNamespace(namespace);
  return namespace;
}

/** `$out` (manual: reference/operator/aggregation/out): the collection is replaced at once, its indexes stay. */
function outWriter(context: CommandContext, specification: Value): Writer {
  const { store } = context.engine;
  const namespace = targetOf(context, specification, '$out');
  return function* (stream) {
    const before = writable(store, namespace);
    refuseOut(before);
    const database = namespace.slice(0, namespace.indexOf('.'));
    const made = store.create(`${database}.tmp.agg_out.${randomUUID()}`, before?.options ?? Doc.EMPTY);
    try {
      for (const { spec } of before?.indexes.slice(1) ?? []) {
        made.buildIndex(spec);
        store.recorder.createIndex(made, spec);
      }
      const slice = new Slice();
      yield* each(stream, (doc) => {
        made.insert(doc);
        return slice.expired() ? pause() : undefined;
      });
      yield* patiently(() => {
        writable(store, namespace);
        store.rename(made, namespace);
      });
    } catch (error) {
      store.drop(made);
      throw error;
    }
  };
}

/** `$out` replaces ordinary collections only. */
function refuseOut(collection: Collection | undefined): void {
  if (collection?.kind.capped !== undefined) {
    throw new MongoError(17152, `namespace '${collection.namespace}' is capped so it can't be used for $out`);
  }
  if (collection?.kind.timeSeries === undefined) return;
  throw new MongoError(
    ErrorCode.NotImplemented,
    `$out to the time-series collection '${collection.namespace}' is not supported by this server`,
  );
}

function* pause(): Generator<Pause, void> {
  yield;
}

const WHEN_MATCHED = ['merge', 'replace', 'keepExisting', 'fail'];
const WHEN_NOT_MATCHED = ['insert', 'discard', 'fail'];

/** `$merge` (manual: reference/operator/aggregation/merge). */
function mergeWriter(context: CommandContext, specification: Value, scope: Scope): Writer {
  if (typeof specification !== 'string' && !(specification instanceof Doc)) {
    throw new MongoError(51182, '$merge only supports a string or object argument');
  }
  const options = typeof specification === 'string' ? Doc.of({ into: specification }) : specification;
  for (const key of options.keys) {
    if (!['into', 'on', 'let', 'whenMatched', 'whenNotMatched'].includes(key)) {
      throw new MongoError(40415, `BSON field '$merge.${key}' is an unknown field.`);
    }
  }
  const namespace = targetOf(context, options.get('into'), '$merge');
  const on = onFields(options.get('on'));
  const whenMatched = options.get('whenMatched') ?? 'merge';
  const whenNotMatched = options.get('whenNotMatched') ?? 'insert';
  if (!Array.isArray(whenMatched) && !WHEN_MATCHED.includes(String(whenMatched))) {
    throw failedToParse(
      `Enumeration value '${String(whenMatched)}' for field '$merge.whenMatched' is not a valid value.`,
    );
  }
  if (!WHEN_NOT_MATCHED.includes(String(whenNotMatched))) {
    throw failedToParse(
      `Enumeration value '${String(whenNotMatched)}' for field '$merge.whenNotMatched' is not a valid value.`,
    );
  }
  const { store } = context.engine;
  const existing = writable(store, namespace);
  if (existing?.kind.timeSeries !== undefined) {
    throw new MongoError(
      ErrorCode.CommandNotSupportedOnView,
      `Cannot $merge into the time-series collection ${namespace}`,
    );
  }
  if (on.join() !== '_id' && existing?.indexes.some((index) => isUniqueOn(index, on)) !== true) {
    throw new MongoError(51183, 'Cannot find index to verify that join fields will be unique');
  }
  const combine = combiner(whenMatched, options.get('let'), scope, on);
  const validate = context.command.get('bypassDocumentValidation') !== true;
  return (stream) =>
    each(stream, function* (doc) {
      const collection = writable(store, namespace) ?? store.ensure(namespace);
      const incoming = doc.has('_id') || on.includes('_id') ? doc : doc.without('_id');
      const matcher = new Matcher(joinFilter(incoming, on));
      for (;;) {
        const [found] = yield* locate(collection, { matcher, sort: [], hint: undefined }, 1, {
          keysExamined: 0,
          docsExamined: 0,
        });
        if (found === undefined) {
          if (whenNotMatched === 'insert') yield* patiently(() => collection.insert(incoming, validate));
          else if (whenNotMatched === 'fail') {
            throw new MongoError(
              13113,
              '$merge could not find a matching document in the target collection for at least one document in the source collection',
            );
          }
          return;
        }
        const isDone = yield* patiently(() => {
          const before = collection.records.get(found.recordId);
          if (before !== found.doc) return false;
          replaceMatched(collection, found.recordId, before, combine(before, incoming), validate);
          return true;
        });
        if (isDone) return;
      }
    });
}

function onFields(on: Value | undefined): string[] {
  const list = on === undefined ? ['_id'] : Array.isArray(on) ? on : [on];
  if (list.length === 0)
    throw new MongoError(51187, 'If explicitly specifying $merge "on", must include at least one field');
  return list.map((field) => {
    if (typeof field !== 'string') throw new MongoError(51134, '$merge "on" array elements must be strings');
    return field;
  });
}

function isUniqueOn({ spec }: Collection['indexes'][number], on: readonly string[]): boolean {
  const names = spec.key.keys;
  return (
    spec.unique &&
    spec.partialFilter === undefined &&
    names.length === on.length &&
    on.every((name) => names.includes(name))
  );
}

function joinFilter(doc: Doc, on: readonly string[]): Doc {
  const values = on.map((path): Value => {
    const value = valueAt(doc, path.split('.'), 0);
    if (isNullish(value)) {
      throw new MongoError(51132, `$merge write error: 'on' field '${path}' cannot be missing, null or undefined`);
    }
    if (Array.isArray(value))
      throw new MongoError(51185, `$merge write error: 'on' field '${path}' cannot be an array`);
    return Doc.of({ $eq: value });
  });
  return new Doc([...on], values);
}

type Combine = (before: Doc, incoming: Doc) => Doc;

function combiner(whenMatched: Value, lets: Value | undefined, scope: Scope, on: readonly string[]): Combine {
  if (Array.isArray(whenMatched)) return pipelineCombiner(whenMatched, lets, scope);
  if (lets !== undefined)
    throw new MongoError(51199, "Cannot use 'let' variables with 'whenMatched' mode other than a pipeline");
  switch (whenMatched) {
    case 'replace':
      return (before, incoming) => {
        const id = before.get('_id') as Value;
        return incoming.has('_id') ? incoming : new Doc(['_id', ...incoming.keys], [id, ...incoming.values]);
      };
    case 'keepExisting':
      return (before) => before;
    case 'fail':
      return (_before, incoming) => {
        const keyValue = new Doc(
          [...on],
          on.map((path) => valueAt(incoming, path.split('.'), 0) ?? null),
        );
        throw new MongoError(ErrorCode.DuplicateKey, 'E11000 duplicate key error: $merge found a matching document', {
          keyPattern: new Doc(
            [...on],
            on.map(() => 1),
          ),
          keyValue,
        });
      };
    default:
      return (before, incoming) => mergeDocs(before, incoming);
  }
}

const PIPELINE_STAGES = new Set(['$addFields', '$set', '$project', '$unset', '$replaceRoot', '$replaceWith']);

/** The stages see the stored document, and the incoming one as `$$new` or under the names of `let`. */
function pipelineCombiner(stages: Value[], lets: Value | undefined, scope: Scope): Combine {
  const variables = scope.captured();
  const definitions = lets instanceof Doc ? [...lets.entries()] : [['new', '$$ROOT'] as [string, Value]];
  const values = definitions.map(([name, expression]) => ({ name, evaluate: compileExpression(expression, scope) }));
  for (const { name } of values) variables.set(name, null);
  const inner = topScope(variables, scope.now, scope.ordering);
  const transforms = stages.map((stage) => {
    const checked = checkedStage(stage);
    if (!PIPELINE_STAGES.has(checked.keys[0] as string)) {
      throw new MongoError(ErrorCode.InvalidOptions, `${checked.keys[0]} is not allowed to be used within an update`);
    }
    return compileDocTransform(checked, inner);
  });
  return (before, incoming) => {
    for (const { name, evaluate } of values) {
      inner.set(inner.slot(name) as number, evaluate(scope.environment(incoming)));
    }
    return transforms.reduce((doc, transform) => transform(doc), before);
  };
}

function replaceMatched(collection: Collection, recordId: number, before: Doc, after: Doc, validate: boolean): void {
  if (after === before) return;
  if (compare(before.get('_id'), after.get('_id')) !== 0) {
    throw new MongoError(
      ErrorCode.ImmutableField,
      "$merge failed to update the matching document, did you attempt to modify the _id or the shard key? :: caused by :: Performing an update on the path '_id' would modify the immutable field '_id'",
    );
  }
  collection.replace(recordId, before, after, validate);
}
