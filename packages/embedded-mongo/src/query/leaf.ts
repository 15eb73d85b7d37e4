import { splitPath, visitPath } from '../bson/path.ts';
import { Doc, type Value } from '../bson/values.ts';
import type { LeafNode, LeafOperator, MatchDetails } from './node.ts';

export type ValueTest = (value: Value | undefined) => boolean;

/**
 * A condition on what a path reaches. With `spread` an array at the end of the path matches by any of its elements
 * as well as by itself, as most operators do.
 */
export function leaf(
  path: string,
  operator: LeafOperator,
  operand: Value,
  test: ValueTest,
  spread: boolean,
  extra: Partial<LeafNode> = {},
): LeafNode {
  return { kind: 'leaf', path, operator, operand, matches: pathTest(path, test, spread), ...extra };
}

/** `''` stands for the value itself: the conditions of an `$elemMatch` on values are written that way. */
export const SELF = '';

function pathTest(path: string, test: ValueTest, spread: boolean): (doc: Doc, details?: MatchDetails) => boolean {
  const parts = splitPath(path);
  const visit = (details: MatchDetails | undefined) => (value: Value | undefined, explicit: boolean, outer: number) => {
    if (spread && !explicit && Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        if (!test(value[i])) continue;
        if (details !== undefined) details.position = outer < 0 ? i : outer;
        return true;
      }
    }
    if (!test(value)) return false;
    if (details !== undefined && outer >= 0) details.position = outer;
    return true;
  };
  const withoutDetails = visit(undefined);
  if (parts.length > 1) {
    return (doc, details) => visitPath(doc, parts, 0, details === undefined ? withoutDetails : visit(details));
  }
  return (doc, details) => {
    const value = doc.get(path);
    // Most conditions meet a plain value at the top level.
    if (!Array.isArray(value)) return test(value);
    return (details === undefined ? withoutDetails : visit(details))(value, false, -1);
  };
}

/** Wraps a bare value so that conditions on {@link SELF} can look at it. */
export function selfDoc(value: Value): Doc {
  return new Doc([SELF], [value]);
}
