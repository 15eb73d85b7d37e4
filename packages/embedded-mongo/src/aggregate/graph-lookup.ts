import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { failedToParse, MongoError } from '../errors.ts';
import { compileExpression, valueAt } from '../expression/compile.ts';
import { type Scope, topScope } from '../expression/scope.ts';
import { drain, GeneratorStream, PAUSE, type Stream } from '../plan/stream.ts';
import { withField } from './fields.ts';
import type { PipelineContext, Stage } from './pipeline.ts';

const OPTIONS = [
  'from',
  'startWith',
  'connectFromField',
  'connectToField',
  'as',
  'maxDepth',
  'depthField',
  'restrictSearchWithMatch',
];

/** `$graphLookup` (manual: reference/operator/aggregation/graphLookup): a search by breadth, each document once. */
export function graphLookupStage(specification: Value, scope: Scope, context: PipelineContext): Stage {
  if (!(specification instanceof Doc)) throw failedToParse('the $graphLookup stage specification must be an object');
  for (const key of specification.keys) {
    if (!OPTIONS.includes(key)) throw new MongoError(40104, `Unknown argument to $graphLookup: ${key}`);
  }
  const text = (name: string): string => {
    const value = specification.get(name);
    if (typeof value === 'string') return value;
    throw value === undefined
      ? new MongoError(40105, `$graphLookup requires '${name}' to be specified`)
      : new MongoError(40103, `expected string as argument for ${name}`);
  };
  const from = text('from');
  const as = text('as');
  const connectFrom = text('connectFromField').split('.');
  const connectTo = text('connectToField');
  const startWith = specification.get('startWith');
  if (startWith === undefined) throw new MongoError(40105, "$graphLookup requires 'startWith' to be specified");
  const start = compileExpression(startWith, scope);
  const depthField = specification.has('depthField') ? text('depthField') : undefined;
  const maxDepth = depthLimit(specification.get('maxDepth'));
  const restriction = specification.get('restrictSearchWithMatch');
  if (restriction !== undefined && !(restriction instanceof Doc)) {
    throw new MongoError(40185, 'restrictSearchWithMatch must be an object');
  }
  const namespace = `${context.database}.${from}`;
  const { ordering } = scope;
  const level = (values: Value[]): Stream => {
    const near = new Doc([connectTo], [Doc.of({ $in: values })]);
    const match = restriction === undefined ? near : Doc.of({ $and: [near, restriction] });
    return context.open(namespace, [Doc.of({ $match: match })], topScope(scope.captured(), scope.now, ordering));
  };
  return (input) => {
    const sources = new Set([input]);
    return new GeneratorStream(search(), sources);

    function* search(): Generator<Doc | typeof PAUSE> {
      for (;;) {
        const doc = input.next();
        if (doc === undefined) return;
        if (doc === PAUSE) yield PAUSE;
        else yield withField(doc, as.split('.'), yield* reachable(doc));
      }
    }

    function* reachable(doc: Doc): Generator<typeof PAUSE, Doc[]> {
      const found = new Map<string, Doc>();
      const asked = new Set<string>();
      let frontier = listOf(start(scope.environment(doc)));
      for (let depth = 0; depth <= maxDepth && frontier.length > 0; depth++) {
        const values = frontier.filter((value) => {
          const key = ordering.encode(value);
          return !asked.has(key) && asked.add(key) !== undefined;
        });
        const stream = level(values);
        sources.add(stream);
        const docs = values.length === 0 ? [] : yield* drain(stream);
        sources.delete(stream);
        frontier = [];
        for (const near of docs) {
          const key = ordering.encode(near.get('_id') ?? null);
          if (found.has(key)) continue;
          found.set(key, depthField === undefined ? near : withField(near, depthField.split('.'), BigInt(depth)));
          frontier.push(...listOf(valueAt(near, connectFrom, 0)));
        }
      }
      return [...found.values()];
    }
  };
}

/** The elements of an array are looked for one by one. */
function listOf(value: Value | undefined): Value[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function depthLimit(value: Value | undefined): number {
  if (value === undefined) return Number.POSITIVE_INFINITY;
  if (!isNumeric(value)) throw new MongoError(40100, 'maxDepth must be numeric');
  const depth = toDouble(value);
  if (depth < 0) throw new MongoError(40101, 'maxDepth requires a nonnegative argument');
  if (!Number.isInteger(depth)) throw new MongoError(40102, 'maxDepth could not be represented as a long long');
  return depth;
}
