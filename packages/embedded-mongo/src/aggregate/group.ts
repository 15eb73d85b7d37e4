import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { compileExpression } from '../expression/compile.ts';
import type { Evaluate, Scope } from '../expression/scope.ts';
import { BlockingStream, type Stream } from '../plan/stream.ts';
import type { Accumulator } from './accumulator.ts';
import { compileAccumulator } from './accumulators.ts';

interface Group {
  readonly id: Value | undefined;
  readonly accumulators: Accumulator[];
}

function groupStream(input: Stream, id: Evaluate, fields: [string, () => Accumulator][], scope: Scope): Stream {
  const groups = new Map<string, Group>();
  return new BlockingStream(
    input,
    (doc) => {
      const env = scope.environment(doc);
      const value = id(env);
      const key = value === undefined ? '' : scope.ordering.encode(value);
      let group = groups.get(key);
      if (group === undefined) {
        group = { id: value, accumulators: fields.map(([, create]) => create()) };
        groups.set(key, group);
      }
      for (const accumulator of group.accumulators) accumulator.add(env);
    },
    function* () {
      for (const group of groups.values()) yield toDoc(group, fields);
    },
  );
}

function toDoc({ id, accumulators }: Group, fields: [string, () => Accumulator][]): Doc {
  return new Doc(
    ['_id', ...fields.map(([name]) => name)],
    [id ?? null, ...accumulators.map((accumulator) => accumulator.result())],
  );
}

/** `$group` (manual: reference/operator/aggregation/group). */
export function groupStage(specification: Value, scope: Scope): (input: Stream) => Stream {
  if (!(specification instanceof Doc)) throw new MongoError(15947, "a group's fields must be specified in an object");
  const id = specification.get('_id');
  if (id === undefined) throw new MongoError(15955, 'a group specification must include an _id');
  const evaluate = compileExpression(id, scope);
  const fields: [string, () => Accumulator][] = [];
  for (const [name, value] of specification.entries()) {
    if (name === '_id') continue;
    if (name.includes('.')) throw new MongoError(40235, `The field name '${name}' cannot contain '.'`);
    if (name.startsWith('$')) throw new MongoError(40236, `The field name '${name}' cannot be an operator name`);
    fields.push([name, compileAccumulator(name, value, scope)]);
  }
  return (input) => groupStream(input, evaluate, fields, scope);
}

/** `$bucket` (manual: reference/operator/aggregation/bucket). */
export function bucketStage(specification: Value, scope: Scope): (input: Stream) => Stream {
  if (!(specification instanceof Doc)) throw new MongoError(40201, 'Argument to $bucket stage must be an object');
  const { compare } = scope.ordering;
  const groupBy = specification.get('groupBy');
  const boundaries = specification.get('boundaries');
  const otherwise = specification.get('default');
  if (groupBy === undefined || !Array.isArray(boundaries)) {
    throw new MongoError(40198, "$bucket requires 'groupBy' and 'boundaries' to be specified.");
  }
  if (boundaries.length < 2) throw new MongoError(40192, "The $bucket 'boundaries' field must have at least 2 values");
  for (let i = 1; i < boundaries.length; i++) {
    if (compare(boundaries[i - 1], boundaries[i]) >= 0) {
      throw new MongoError(40194, "The 'boundaries' option to $bucket must be sorted in ascending order");
    }
  }
  const value = compileExpression(groupBy, scope);
  const output = specification.get('output') ?? Doc.of({ count: Doc.of({ $sum: 1 }) });
  const fields = [...(output as Doc).entries()].map(([name, accumulator]): [string, () => Accumulator] => [
    name,
    compileAccumulator(name, accumulator, scope),
  ]);
  const id: Evaluate = (env) => {
    const found = value(env);
    for (let i = boundaries.length - 1; i > 0; i--) {
      if (compare(found, boundaries[i]) >= 0) break;
      if (compare(found, boundaries[i - 1]) >= 0) return boundaries[i - 1];
    }
    if (otherwise === undefined) {
      throw new MongoError(
        40066,
        '$switch could not find a matching branch for an input, and no default was specified.',
      );
    }
    return otherwise;
  };
  return (input) => {
    let sorted: Doc[] = [];
    return new BlockingStream(
      groupStream(input, id, fields, scope),
      (doc) => {
        sorted.push(doc);
      },
      () => {
        sorted = sorted.sort((a, b) => compare(a.get('_id'), b.get('_id')));
        return sorted;
      },
    );
  };
}

/** `$sortByCount`: groups, then the largest first. */
export function sortByCountStages(specification: Value): Doc[] {
  const isExpression =
    (typeof specification === 'string' && specification.startsWith('$')) ||
    (specification instanceof Doc && specification.keys[0]?.startsWith('$') === true);
  if (!isExpression)
    throw new MongoError(
      40149,
      'the sortByCount field must be specified as a $-prefixed path or as an expression in an object',
    );
  return [
    Doc.of({ $group: Doc.of({ _id: specification, count: Doc.of({ $sum: 1 }) }) }),
    Doc.of({ $sort: Doc.of({ count: -1 }) }),
  ];
}
