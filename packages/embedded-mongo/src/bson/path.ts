import { Doc, type Value } from './values.ts';

const INDEX = /^(0|[1-9]\d*)$/;

/** The array position that a path component names, or -1. */
export function arrayIndex(component: string): number {
  const first = component.charCodeAt(0);
  if (!(first >= 48 && first <= 57)) return -1;
  return INDEX.test(component) ? Number(component) : -1;
}

/** A dotted path, split once. */
export function splitPath(path: string): string[] {
  return path.includes('.') ? path.split('.') : [path];
}

/**
 * What a query path reached: a value, or `undefined` where the path ended early. `explicit` tells that a position in
 * the path named the value, so that an array is not looked into once more. `outer` is the position within the
 * outermost array on the way, or -1: the one that the positional operator `$` of an update stands for.
 */
export type Visit = (value: Value | undefined, explicit: boolean, outer: number) => boolean;

/**
 * Visits each value that a query path reaches, through arrays at any inner place (manual:
 * tutorial/query-array-of-documents). Arrays at the end of the path are handed over whole; whether their elements
 * count is the operator's affair. Stops as soon as `visit` returns true.
 */
export function visitPath(
  value: Value | undefined,
  path: readonly string[],
  depth: number,
  visit: Visit,
  outer = -1,
): boolean {
  if (depth === path.length) return visit(value, false, outer);
  if (value instanceof Doc) return visitPath(value.get(path[depth] as string), path, depth + 1, visit, outer);
  if (!Array.isArray(value)) return visit(undefined, false, outer);
  const position = arrayIndex(path[depth] as string);
  for (let i = 0; i < value.length; i++) {
    const element = value[i] as Value;
    const from = outer < 0 ? i : outer;
    if (element instanceof Doc && visitPath(element, path, depth, visit, from)) return true;
    if (i !== position) continue;
    if (depth + 1 === path.length) {
      if (visit(element, true, from)) return true;
    } else if (element instanceof Doc || Array.isArray(element)) {
      if (visitPath(element, path, depth + 1, visit, from)) return true;
    }
  }
  return false;
}
