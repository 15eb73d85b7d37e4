import type { Index } from '../indexes/index.ts';
import type { LeafNode } from '../query/node.ts';
import type { IndexPlan } from './planner.ts';
import type { Predicate } from './predicates.ts';

/**
 * Whether the keys of the index alone tell these fields (manual: core/query-optimization, "Covered Query"). No document may
 * have had an array in any of the index's fields, nor a value that its key does not tell. Fields of embedded documents
 * are not put together again.
 */
export function covers(index: Index, needed: ReadonlySet<string> | undefined): boolean {
  if (needed === undefined || index.isMultikey || index.unreadable.some(Boolean)) return false;
  for (const field of needed) {
    if (field.includes('.') || !index.fields.some(({ path }) => path === field)) return false;
  }
  return true;
}

const EXACT = new Set<LeafNode['operator']>(['eq', 'lt', 'lte', 'gt', 'gte']);

/** Whether just the keys of one range match, so that they need only be counted. */
export function isCountOfOneRange({ index, bounds }: IndexPlan, predicates: readonly Predicate[]): boolean {
  if (bounds.ranges.length !== 1) return false;
  return predicates.every(({ path, leaf }) => {
    const at = index.fields.findIndex((field) => field.path === path);
    return at >= 0 && at < bounds.bounded && at <= bounds.points && EXACT.has(leaf.operator) && leaf.operand !== null;
  });
}
