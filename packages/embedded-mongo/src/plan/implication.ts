import { bracketOf, equals } from '../bson/compare.ts';
import { Doc, Regex, type Value } from '../bson/values.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import type { LeafNode, MatchNode } from '../query/node.ts';
import type { Predicate } from './predicates.ts';

/**
 * Whether the query's conditions imply the filter of a partial index. Only then does the index hold every result
 * (manual: core/index-partial, "Query Coverage").
 */
export function implies(predicates: readonly Predicate[], filter: MatchNode, ordering: Ordering = BINARY): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.children.every((child) => implies(predicates, child, ordering));
    case 'or':
      return filter.children.some((child) => implies(predicates, child, ordering));
    case 'leaf':
      return predicates.some((known) => known.path === filter.path && leafImplies(known.leaf, filter, ordering));
    default:
      return false;
  }
}

function leafImplies(known: LeafNode, wanted: LeafNode, ordering: Ordering): boolean {
  if (known.operator === wanted.operator && known.operator !== 'other' && equals(known.operand, wanted.operand)) {
    return (known.regexes?.length ?? 0) === 0 && (wanted.regexes?.length ?? 0) === 0;
  }
  switch (known.operator) {
    case 'eq':
      return valueSatisfies(known.operand, wanted);
    case 'in':
      return (
        (known.regexes?.length ?? 0) === 0 &&
        (known.operand as Value[]).length > 0 &&
        (known.operand as Value[]).every((value) => valueSatisfies(value, wanted))
      );
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return rangeImplies(known, wanted, ordering);
    default:
      return false;
  }
}

/** Null also stands for missing, and arrays are compared in two ways: of them nothing is concluded. */
function valueSatisfies(value: Value, wanted: LeafNode): boolean {
  if (value === null || Array.isArray(value) || value instanceof Regex) return false;
  return wanted.operator !== 'other' && wanted.matches(docAt(wanted.path, value));
}

function rangeImplies(known: LeafNode, wanted: LeafNode, { compare }: Ordering): boolean {
  const { operand } = known;
  if (operand === null || Array.isArray(operand)) return false;
  if (wanted.operator === 'exists') return wanted.operand === true;
  const upwards = known.operator === 'gt' || known.operator === 'gte';
  const sameDirection = upwards
    ? wanted.operator === 'gt' || wanted.operator === 'gte'
    : wanted.operator === 'lt' || wanted.operator === 'lte';
  if (!sameDirection || bracketOf(operand) !== bracketOf(wanted.operand)) return false;
  const difference = compare(operand, wanted.operand) * (upwards ? 1 : -1);
  // The bounds are equal, one open and one closed: only the open one implies the closed one.
  return difference > 0 || (difference === 0 && known.operator.length === 2);
}

function docAt(path: string, value: Value): Doc {
  return path.split('.').reduceRight<Value>((inner, name) => new Doc([name], [inner]), value) as Doc;
}
