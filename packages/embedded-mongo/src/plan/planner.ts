import { BsonSymbol, Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError } from '../errors.ts';
import type { Index } from '../indexes/index.ts';
import type { Matcher } from '../query/match.ts';
import type { LeafNode } from '../query/node.ts';
import type { Collection } from '../storage/collection.ts';
import { EVERYTHING, type Interval, pointOf } from './bounds.ts';
import { bestOf } from './choice.ts';
import { covers } from './covering.ts';
import { type FieldBounds, fieldBounds } from './field-bounds.ts';
import { implies } from './implication.ts';
import { incompatibleRange, rangeBetween } from './index-range.ts';
import { conjuncts, disjunctions, type Predicate } from './predicates.ts';
import { type WildcardBounds, wildcardBounds } from './wildcard.ts';

export interface SortField {
  readonly path: string;
  readonly direction: 1 | -1;
}

export interface IndexPlan {
  readonly kind: 'index';
  readonly index: Index;
  readonly bounds: FieldBounds;
  /** Of a wildcard index: the field that it stands for in this query. */
  readonly wildcard?: WildcardBounds | undefined;
  readonly backward: boolean;
  readonly sorted: boolean;
  /** Its keys tell all that is asked: no document is read. */
  readonly covers?: boolean;
}

interface OrPlan {
  readonly kind: 'or';
  readonly branches: readonly IndexPlan[];
  readonly sorted: boolean;
}

interface CollectionPlan {
  readonly kind: 'collection';
  readonly backward: boolean;
  readonly sorted: boolean;
}

/** The keys that `min` and `max` of `find` ask for (manual: reference/method/cursor.min): `max` is not among them. */
export interface Between {
  readonly min: Doc | undefined;
  readonly max: Doc | undefined;
}

export type Plan = IndexPlan | OrPlan | CollectionPlan;

/**
 * How to get at the documents that may match, and whether they come in the order asked for.
 *
 * @param needed the fields that are asked for, where not whole documents are: keys that tell them are preferred
 */
export function choosePlan(
  collection: Collection,
  matcher: Matcher,
  sort: readonly SortField[] = [],
  hint?: Value,
  between?: Between,
  needed?: ReadonlySet<string>,
): Plan {
  if (between !== undefined) return planBetween(collection, matcher, sort, hint, between);
  const natural = naturalOrder(sort, hint);
  if (natural !== undefined) return { kind: 'collection', backward: natural < 0, sorted: true };
  const direct = planById(collection, matcher, hint);
  if (direct !== undefined) return direct;
  const predicates = conjuncts(matcher.root);
  if (hint !== undefined && hint !== null) return hintedPlan(collection, matcher, predicates, sort, hint, needed);
  const bounded: IndexPlan[] = [];
  const ordered: IndexPlan[] = [];
  for (const index of collection.indexes) {
    const plan = planIndex(index, matcher, predicates, sort, { needed });
    if (plan === undefined) continue;
    // At most one document: nothing can be better.
    if (plan.bounds.unique) return plan;
    if (plan.bounds.bounded > 0) bounded.push(plan);
    // An index that neither bounds the scan nor saves the sort only makes it dearer.
    else if (sort.length > 0 && plan.sorted) ordered.push(plan);
  }
  const best = bestOf(bounded);
  if (best !== undefined) return best;
  const [inOrder] = ordered;
  if (inOrder !== undefined) return inOrder;
  const either = planDisjunction(collection, matcher, predicates, sort);
  return either ?? { kind: 'collection', backward: false, sorted: sort.length === 0 };
}

/** One document by its `_id`, as most commands ask for: there is nothing to choose. */
function planById(
  { idIndex }: Collection,
  { root, ordering }: Matcher,
  hint: Value | undefined,
): IndexPlan | undefined {
  if (root.kind !== 'leaf' || root.path !== '_id' || root.operator !== 'eq' || hint !== undefined) return undefined;
  if (!idIndex.spec.unique || idIndex.ordering.id !== ordering.id || Array.isArray(root.operand)) return undefined;
  const ranges = [pointOf(root.operand, ordering)];
  const bounds = { fields: [ranges], bounded: 1, points: 1, unique: true, ranges };
  return { kind: 'index', index: idIndex, bounds, backward: false, sorted: true };
}

function naturalOrder(sort: readonly SortField[], hint: Value | undefined): number | undefined {
  if (sort[0]?.path === '$natural') return sort[0].direction;
  if (!(hint instanceof Doc)) return undefined;
  const direction = hint.get('$natural');
  return isNumeric(direction) && sort.length === 0 ? toDouble(direction) : undefined;
}

function hintedPlan(
  collection: Collection,
  matcher: Matcher,
  predicates: Predicate[],
  sort: readonly SortField[],
  hint: Value,
  needed?: ReadonlySet<string>,
): Plan {
  if (hint instanceof Doc && hint.has('$natural')) {
    return { kind: 'collection', backward: false, sorted: sort.length === 0 };
  }
  const index = collection.indexes.find((candidate) => isHinted(candidate, hint));
  if (index === undefined) {
    throw badValue(
      'error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index',
    );
  }
  const plan = planIndex(index, matcher, predicates, sort, { forced: true, needed });
  if (plan === undefined && (index.declaredOnly || index.wildcard !== undefined)) {
    throw new MongoError(
      ErrorCode.NoQueryExecutionPlans,
      'error processing query: planner returned error :: caused by :: No query solutions',
    );
  }
  return plan ?? { kind: 'collection', backward: false, sorted: sort.length === 0 };
}

function isHinted(index: Index, hint: Value): boolean {
  if (typeof hint === 'string') return index.spec.name === hint;
  if (!(hint instanceof Doc)) return false;
  const { key } = index.spec;
  return (
    key.size === hint.size &&
    key.keys.every((name, i) => name === hint.keys[i] && sameDirection(key.values[i], hint.values[i]))
  );
}

function sameDirection(a: Value | undefined, b: Value | undefined): boolean {
  return isNumeric(a) && isNumeric(b) ? Math.sign(toDouble(a)) === Math.sign(toDouble(b)) : a === b;
}

function planBetween(
  collection: Collection,
  matcher: Matcher,
  sort: readonly SortField[],
  hint: Value | undefined,
  between: Between,
): IndexPlan {
  if (hint === undefined || hint === null || (hint instanceof Doc && hint.has('$natural'))) {
    throw new MongoError(51173, 'When using min()/max() a hint of which index to use must be provided');
  }
  const plan = hintedPlan(collection, matcher, conjuncts(matcher.root), sort, hint);
  if (plan.kind !== 'index') throw incompatibleRange();
  const range = rangeBetween(plan.index, between);
  const fields = plan.index.fields.map(() => EVERYTHING);
  const bounds = { fields, bounded: 1, points: 0, unique: false, ranges: [range] };
  const direction = sortDirection(plan.index, bounds, sort);
  return { ...plan, bounds, backward: direction === -1, sorted: sort.length === 0 || direction !== 0 };
}

/** The plan over one index, or `undefined` where the index may lack results. */
function planIndex(
  index: Index,
  { ordering }: Matcher,
  given: readonly Predicate[],
  sort: readonly SortField[],
  { forced = false, needed }: { forced?: boolean; needed?: ReadonlySet<string> | undefined } = {},
): IndexPlan | undefined {
  if (index.declaredOnly || (index.spec.hidden && !forced)) return undefined;
  const sameOrder = index.ordering.id === ordering.id;
  const predicates = sameOrder ? given : given.filter(({ leaf }) => isIndifferent(leaf));
  if (index.partial !== undefined && !implies(predicates, index.partial.root, ordering)) return undefined;
  if (index.wildcard !== undefined) return planWildcard(index, predicates, sort, sameOrder);
  const bounds = fieldBounds(index, predicates);
  if (index.spec.sparse && !forced && !requiresField(index, predicates)) return undefined;
  const direction = sameOrder ? sortDirection(index, bounds, sort) : 0;
  const sorted = sort.length === 0 || direction !== 0;
  return { kind: 'index', index, bounds, backward: direction === -1, sorted, covers: covers(index, needed) };
}

/** A wildcard index lacks the documents without the field: it needs a condition on it, and sorts by it alone. */
function planWildcard(
  index: Index,
  predicates: readonly Predicate[],
  sort: readonly SortField[],
  sameOrder: boolean,
): IndexPlan | undefined {
  const wildcard = wildcardBounds(index, predicates);
  // A sparse index lacks documents without any of its fields.
  if (wildcard === undefined || (index.spec.sparse && wildcard.path === undefined)) return undefined;
  const [first] = sort;
  const sorts = sameOrder && sort.length === 1 && first?.path === wildcard.path && !wildcard.isMultikey;
  const descending = index.fields[index.wildcard?.at ?? 0]?.descending === true ? -1 : 1;
  const backward = sorts && first?.direction !== descending;
  return { kind: 'index', index, bounds: wildcard, wildcard, backward, sorted: sort.length === 0 || sorts };
}

/** Whether a condition holds for the same values under every collation: strings are neither its operand nor in it. */
function isIndifferent({ operator, operand }: LeafNode): boolean {
  if (operator === 'exists' || operator === 'type') return true;
  if (operator === 'in') return (operand as Value[]).every(hasNoStrings);
  return ['eq', 'lt', 'lte', 'gt', 'gte'].includes(operator) && hasNoStrings(operand);
}

function hasNoStrings(value: Value): boolean {
  return !(typeof value === 'string' || value instanceof BsonSymbol || value instanceof Doc || Array.isArray(value));
}

/** Some condition on an indexed field that a document without the field cannot satisfy. */
function requiresField(index: Index, predicates: readonly Predicate[]): boolean {
  return predicates.some(
    ({ path, leaf }) =>
      // Without a path of its own it is a condition of `$elemMatch` on the element itself, which is there.
      index.fields.some((field) => field.path === path) && (leaf.path === '' || !leaf.matches(Doc.EMPTY)),
  );
}

/** 1 or -1: the direction in which the index delivers the order; 0 when it does not. */
function sortDirection(index: Index, bounds: FieldBounds, sort: readonly SortField[]): number {
  let direction = 0;
  let at = 0;
  for (const { path, direction: wanted } of sort) {
    while (at < index.fields.length && index.fields[at]?.path !== path && isSinglePoint(bounds.fields[at])) at++;
    const field = index.fields[at];
    if (field === undefined || field.path !== path) return 0;
    if (isSinglePoint(bounds.fields[at]) && index.arrays[at] === 0) {
      at++;
      continue;
    }
    if (field.hashed) return 0;
    // The least or greatest element decides the place of an array; the index knows all of them.
    if (index.arrays[at] !== 0) return 0;
    const needed = wanted * (field.descending ? -1 : 1);
    if (direction !== 0 && direction !== needed) return 0;
    direction = needed;
    at++;
  }
  return direction === 0 ? 1 : direction;
}

function isSinglePoint(intervals: readonly Interval[] | undefined): boolean {
  return intervals?.length === 1 && intervals[0]?.point === true;
}

/** `$or` whose every branch has an index of its own: the union of the scans. */
function planDisjunction(
  collection: Collection,
  matcher: Matcher,
  common: readonly Predicate[],
  sort: readonly SortField[],
): OrPlan | undefined {
  for (const disjunction of disjunctions(matcher.root)) {
    const branches: IndexPlan[] = [];
    for (const child of disjunction.children) {
      const predicates = [...conjuncts(child), ...common];
      const plans = collection.indexes
        .map((index) => planIndex(index, matcher, predicates, []))
        .filter((plan) => plan !== undefined && plan.bounds.bounded > 0);
      const best = bestOf(plans.filter((plan) => plan !== undefined));
      if (best === undefined) break;
      branches.push(best);
    }
    if (branches.length === disjunction.children.length) return { kind: 'or', branches, sorted: sort.length === 0 };
  }
  return undefined;
}
