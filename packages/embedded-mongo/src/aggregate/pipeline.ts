import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError, searchNotEnabled } from '../errors.ts';
import type { Scope } from '../expression/scope.ts';
import { SortMemory } from '../plan/memory.ts';
import { parseSort, sortStream } from '../plan/sort.ts';
import { BlockingStream, LimitStream, MapStream, SkipStream, type Stream } from '../plan/stream.ts';
import { Matcher } from '../query/match.ts';
import { typeName } from '../query/types.ts';
import { bucketAutoStage } from './bucket-auto.ts';
import { densifyStage } from './densify.ts';
import { fillStages } from './fill.ts';
import { graphLookupStage } from './graph-lookup.ts';
import { bucketStage, groupStage, sortByCountStages } from './group.ts';
import { facetStage, lookupStage, unionStage } from './joins.ts';
import { redactStage } from './redact.ts';
import { compileDocTransform } from './transforms.ts';
import { unwindStage } from './unwind.ts';
import { windowStage } from './windows/stage.ts';

/** What stages that read other collections need. */
export interface PipelineContext {
  readonly database: string;
  /** Sorts may keep more than the limit in memory. */
  readonly allowDiskUse: boolean;
  /** Opens a collection and runs the pipeline over it, using its indexes. */
  open(namespace: string, pipeline: Value[], scope: Scope): Stream;
}

export type Stage = (input: Stream) => Stream;

/** Compiles a pipeline: from the documents of its input to its results. */
export function compilePipeline(pipeline: readonly Value[], scope: Scope, context: PipelineContext): Stage {
  const stages = pipeline.map((stage) => compileStage(checkedStage(stage), scope, context));
  return (input) => stages.reduce((stream, stage) => stage(stream), input);
}

export function checkedStage(stage: Value): Doc {
  if (!(stage instanceof Doc)) {
    throw new MongoError(ErrorCode.TypeMismatch, "Each element of the 'pipeline' array must be an object");
  }
  if (stage.size !== 1) {
    throw new MongoError(40323, 'A pipeline stage specification object must contain exactly one field.');
  }
  return stage;
}

function compileStage(stage: Doc, scope: Scope, context: PipelineContext): Stage {
  const name = stage.keys[0] as string;
  const value = stage.values[0] as Value;
  switch (name) {
    case '$match': {
      if (!(value instanceof Doc)) throw new MongoError(15959, 'the match filter must be an expression in an object');
      const matcher = new Matcher(value, { scope });
      return (input) => new MapStream(input, (doc) => (matcher.matches(doc) ? doc : undefined));
    }
    case '$project':
    case '$set':
    case '$addFields':
    case '$unset':
    case '$replaceRoot':
    case '$replaceWith': {
      const transform = compileDocTransform(stage, scope);
      return (input) => new MapStream(input, transform);
    }
    case '$sort': {
      if (!(value instanceof Doc)) throw new MongoError(15973, 'the $sort key specification must be an object');
      if (value.size === 0) throw new MongoError(15976, '$sort stage must have at least one sort key');
      const sort = parseSort(value);
      return (input) =>
        sortStream(input, sort, scope.ordering, undefined, context.allowDiskUse ? undefined : new SortMemory());
    }
    case '$limit': {
      const count = wholeCount(name, value);
      if (count === 0) throw new MongoError(15958, 'the limit must be positive');
      return (input) => new LimitStream(input, count);
    }
    case '$skip': {
      const count = wholeCount(name, value);
      return (input) => new SkipStream(input, count);
    }
    case '$count':
      return countStage(value);
    case '$group':
      return groupStage(value, scope);
    case '$bucketAuto':
      return bucketAutoStage(value, scope);
    case '$setWindowFields':
      return windowStage(value, scope);
    case '$densify':
      return densifyStage(value, scope);
    case '$fill':
      return compilePipeline(fillStages(value), scope, context);
    case '$redact':
      return redactStage(value, scope);
    case '$graphLookup':
      return graphLookupStage(value, scope, context);
    case '$bucket':
      return bucketStage(value, scope);
    case '$sortByCount':
      return compilePipeline(sortByCountStages(value), scope, context);
    case '$unwind':
      return unwindStage(value);
    case '$lookup':
      return lookupStage(value, scope, context);
    case '$facet':
      return facetStage(value, scope, context);
    case '$unionWith':
      return unionStage(value, scope, context);
    case '$sample':
      return sampleStage(value);
    default:
      throw unknownStage(name);
  }
}

/** Stages that bring their own documents, and those that put the results into a collection. */
const FIRST_ONLY = new Set(['$documents', '$collStats', '$indexStats']);
export const isWriting = (name: string | undefined): boolean => name === '$out' || name === '$merge';

const NOT_YET = new Set(['$currentOp', '$listSessions', '$planCacheStats', '$changeStream', '$geoNear', '$rankFusion']);
const SEARCH = new Set(['$search', '$searchMeta', '$vectorSearch', '$listSearchIndexes']);

function unknownStage(name: string): MongoError {
  if (name === '$changeStream') {
    return new MongoError(40573, 'The $changeStream stage is only supported on replica sets');
  }
  if (FIRST_ONLY.has(name)) return new MongoError(40602, `${name} is only valid as the first stage in a pipeline.`);
  if (isWriting(name)) return new MongoError(40601, `${name} can only be the final stage in the pipeline`);
  if (SEARCH.has(name)) return searchNotEnabled(name);
  if (NOT_YET.has(name))
    return new MongoError(ErrorCode.NotImplemented, `The ${name} stage is not supported by this server`);
  return new MongoError(40324, `Unrecognized pipeline stage name: '${name}'`);
}

function wholeCount(name: string, value: Value): number {
  const number = isNumeric(value) ? toDouble(value) : Number.NaN;
  if (!Number.isInteger(number) || number < 0) {
    const code = name === '$limit' ? 5107201 : 5107200;
    throw new MongoError(
      code,
      `invalid argument to ${name} stage: Expected a non-negative number in: ${name}: ${isNumeric(value) ? number : typeName(value)}`,
    );
  }
  return number;
}

function countStage(value: Value): Stage {
  if (typeof value !== 'string') throw new MongoError(40156, 'the count field must be a non-empty string');
  if (value === '') throw new MongoError(40157, 'the count field must be a non-empty string');
  if (value.startsWith('$')) throw new MongoError(40158, 'the count field cannot be a $-prefixed path');
  if (value.includes('.')) throw new MongoError(40160, "the count field cannot contain '.'");
  return (input) => {
    let count = 0;
    return new BlockingStream(
      input,
      () => {
        count += 1;
      },
      () => (count === 0 ? [] : [new Doc([value], [count])]),
    );
  };
}

/** Reservoir sampling: every document has the same chance. */
function sampleStage(value: Value): Stage {
  const size = value instanceof Doc ? value.get('size') : undefined;
  const wanted = isNumeric(size) ? Math.trunc(toDouble(size)) : Number.NaN;
  if (!(wanted > 0)) throw new MongoError(28747, 'size argument to $sample must be a positive integer');
  return (input) => {
    const kept: Doc[] = [];
    let seen = 0;
    return new BlockingStream(
      input,
      (doc) => {
        seen += 1;
        if (kept.length < wanted) kept.push(doc);
        else {
          const at = Math.floor(Math.random() * seen);
          if (at < wanted) kept[at] = doc;
        }
      },
      () => kept.sort(() => Math.random() - 0.5),
    );
  };
}
