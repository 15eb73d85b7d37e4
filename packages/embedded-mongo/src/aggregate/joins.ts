import { Doc, Regex, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { compileExpression, valueAt } from '../expression/compile.ts';
import { type Evaluate, type Scope, topScope } from '../expression/scope.ts';
import { BlockingStream, drain, PAUSE, PausingList, type Pulled, type Stream } from '../plan/stream.ts';
import { compilePipeline, isWriting, type PipelineContext, type Stage } from './pipeline.ts';

/** `$lookup` (manual: reference/operator/aggregation/lookup): by equality of fields, by a pipeline, or by both. */
export function lookupStage(specification: Value, scope: Scope, context: PipelineContext): Stage {
  if (!(specification instanceof Doc))
    throw new MongoError(ErrorCode.FailedToParse, 'the $lookup specification must be an Object');
  const text = (name: string): string | undefined => {
    const value = specification.get(name);
    if (value !== undefined && typeof value !== 'string') {
      throw new MongoError(ErrorCode.FailedToParse, `$lookup argument '${name}' must be a string`);
    }
    return value;
  };
  const from = text('from');
  const as = text('as');
  const localField = text('localField');
  const foreignField = text('foreignField');
  const pipeline = specification.get('pipeline');
  for (const key of specification.keys) {
    if (!LOOKUP_OPTIONS.has(key)) throw new MongoError(ErrorCode.FailedToParse, `unknown argument to $lookup: ${key}`);
  }
  const ownSource = Array.isArray(pipeline) && pipeline[0] instanceof Doc && pipeline[0].keys[0] === '$documents';
  if ((from === undefined && !ownSource) || as === undefined)
    throw new MongoError(ErrorCode.FailedToParse, "must specify 'from' and 'as' fields for a $lookup");
  if (
    (localField === undefined) !== (foreignField === undefined) ||
    (localField === undefined && pipeline === undefined)
  ) {
    throw new MongoError(
      ErrorCode.FailedToParse,
      "$lookup requires both or neither of 'localField' and 'foreignField' to be specified",
    );
  }
  if (pipeline !== undefined && !Array.isArray(pipeline))
    throw new MongoError(ErrorCode.TypeMismatch, 'A pipeline must be an array');
  if (pipeline !== undefined) refuseWriting(pipeline, '$lookup');
  const namespace = `${context.database}.${from ?? NO_COLLECTION}`;
  const lets = letExpressions(specification.get('let'), scope);
  const join = (doc: Doc): Stream => {
    const inner = capturedScope(scope, lets, doc);
    const stages: Value[] = pipeline ?? [];
    if (localField === undefined || foreignField === undefined) return context.open(namespace, stages, inner);
    const match = Doc.of({ $match: equalityFilter(doc, localField, foreignField) });
    const [first] = stages;
    // What `$documents` brings is matched afterwards.
    const ordered = ownSource && first !== undefined ? [first, match, ...stages.slice(1)] : [match, ...stages];
    return context.open(namespace, ordered, inner);
  };
  return (input) => new LookupStream(input, join, as.split('.'));
}

/** The place of a pipeline that brings its own documents. */
const NO_COLLECTION = '$cmd.aggregate';
const LOOKUP_OPTIONS = new Set(['from', 'as', 'localField', 'foreignField', 'pipeline', 'let']);

function refuseWriting(pipeline: readonly Value[], name: string): void {
  for (const stage of pipeline) {
    const inner = stage instanceof Doc ? stage.keys[0] : undefined;
    if (isWriting(inner)) throw new MongoError(51047, `${inner} is not allowed within a ${name}'s sub-pipeline`);
  }
}

function letExpressions(lets: Value | undefined, scope: Scope): [string, Evaluate][] {
  if (!(lets instanceof Doc)) return [];
  return [...lets.entries()].map(([name, expression]) => [name, compileExpression(expression, scope)]);
}

/** A pipeline of its own sees the variables of its `let`, and of what is around it. */
function capturedScope(scope: Scope, lets: readonly [string, Evaluate][], doc: Doc): Scope {
  const variables = scope.captured();
  for (const [name, evaluate] of lets) variables.set(name, evaluate(scope.environment(doc)));
  return topScope(variables, scope.now, scope.ordering);
}

/** The elements of a local array are looked for one by one; a missing local field finds null and missing. */
function equalityFilter(doc: Doc, localField: string, foreignField: string): Doc {
  const local = valueAt(doc, localField.split('.'), 0);
  if (Array.isArray(local)) {
    const regexes = local.filter((value) => value instanceof Regex);
    if (regexes.length > 0) {
      return Doc.of({ $or: local.map((value) => new Doc([foreignField], [Doc.of({ $eq: value })])) });
    }
    return new Doc([foreignField], [Doc.of({ $in: local })]);
  }
  return new Doc([foreignField], [Doc.of({ $eq: local ?? null })]);
}

class LookupStream implements Stream {
  private readonly input: Stream;
  private readonly join: (doc: Doc) => Stream;
  private readonly as: string[];
  private current: { doc: Doc; stream: Stream; found: Value[] } | undefined;

  constructor(input: Stream, join: (doc: Doc) => Stream, as: string[]) {
    this.input = input;
    this.join = join;
    this.as = as;
  }

  next(): Pulled {
    if (this.current === undefined) {
      const doc = this.input.next();
      if (doc === undefined || doc === PAUSE) return doc;
      this.current = { doc, stream: this.join(doc), found: [] };
    }
    const { doc, stream, found } = this.current;
    for (;;) {
      const joined = stream.next();
      if (joined === PAUSE) return PAUSE;
      if (joined === undefined) break;
      found.push(joined);
    }
    this.current = undefined;
    return withPath(doc, this.as, 0, found);
  }

  detach(): void {
    this.input.detach();
    this.current?.stream.detach();
  }
}

function withPath(doc: Doc, parts: readonly string[], depth: number, value: Value): Doc {
  const part = parts[depth] as string;
  if (depth === parts.length - 1) return doc.with(part, value);
  const inner = doc.get(part);
  return doc.with(part, withPath(inner instanceof Doc ? inner : Doc.EMPTY, parts, depth + 1, value));
}

const NOT_IN_FACETS = new Set([
  '$facet',
  '$out',
  '$merge',
  '$collStats',
  '$geoNear',
  '$indexStats',
  '$planCacheStats',
  '$documents',
  '$search',
  '$searchMeta',
  '$changeStream',
]);

/** `$facet`: several pipelines over the same input. */
export function facetStage(specification: Value, scope: Scope, context: PipelineContext): Stage {
  if (!(specification instanceof Doc) || specification.size === 0) {
    throw new MongoError(40169, 'the $facet specification must be a non-empty object');
  }
  const facets = [...specification.entries()].map(([name, pipeline]) => {
    if (!Array.isArray(pipeline)) throw new MongoError(40170, `arguments to $facet must be arrays, ${name} is not`);
    for (const stage of pipeline) {
      const stageName = stage instanceof Doc ? (stage.keys[0] ?? '') : '';
      if (NOT_IN_FACETS.has(stageName)) {
        throw new MongoError(40600, `${stageName} is not allowed to be used within a $facet stage`);
      }
    }
    return { name, stage: compilePipeline(pipeline, scope, context) };
  });
  return (input) => {
    const docs: Doc[] = [];
    return new BlockingStream(
      input,
      (doc) => {
        docs.push(doc);
      },
      function* () {
        const results: Value[] = [];
        for (const { stage } of facets) results.push(yield* drain(stage(new PausingList(docs))));
        yield new Doc(
          facets.map(({ name }) => name),
          results,
        );
      },
    );
  };
}

/** `$unionWith`: another collection's documents after the input's. */
export function unionStage(specification: Value, scope: Scope, context: PipelineContext): Stage {
  const from =
    typeof specification === 'string'
      ? specification
      : specification instanceof Doc
        ? specification.get('coll')
        : undefined;
  const pipeline = specification instanceof Doc ? specification.get('pipeline') : undefined;
  if (pipeline !== undefined && !Array.isArray(pipeline))
    throw new MongoError(ErrorCode.TypeMismatch, 'A pipeline must be an array');
  const stages = pipeline ?? [];
  const [first] = stages;
  const ownSource = first instanceof Doc && first.keys[0] === '$documents';
  if (typeof from !== 'string' && !(from === undefined && ownSource))
    throw new MongoError(ErrorCode.FailedToParse, 'the $unionWith stage needs a collection name');
  refuseWriting(stages, '$unionWith');
  return (input) =>
    new ConcatenatedStream(input, () =>
      context.open(
        `${context.database}.${from ?? NO_COLLECTION}`,
        stages,
        topScope(scope.captured(), scope.now, scope.ordering),
      ),
    );
}

class ConcatenatedStream implements Stream {
  private current: Stream;
  private open: (() => Stream) | undefined;

  constructor(first: Stream, open: () => Stream) {
    this.current = first;
    this.open = open;
  }

  next(): Pulled {
    const doc = this.current.next();
    if (doc !== undefined || this.open === undefined) return doc;
    this.current = this.open();
    this.open = undefined;
    return this.current.next();
  }

  detach(): void {
    this.current.detach();
  }
}
