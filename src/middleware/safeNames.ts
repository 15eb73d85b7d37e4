import { z } from 'zod';
import type { FieldError } from '../domain/errors.ts';

/**
 * Is this a name that a field from outside may have? A name with `$` in front would be an operator of MongoDB and one with a dot
 * a path into another field (https://www.mongodb.com/docs/manual/core/dot-dollar-considerations/); the last three reach the
 * prototypes of JavaScript's objects.
 */
export function isSafeName(name: string): boolean {
  return !/^\$|[.\0]/.test(name) && !PROTOTYPE_NAMES.has(name);
}

const PROTOTYPE_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

const MESSAGE = 'A name must not begin with $, hold a dot, or be __proto__, constructor or prototype';

/** The name of a field that the caller makes up, as in free metadata: `z.record(safeName, ...)`. */
export const safeName = z.string().min(1).max(128).refine(isSafeName, { error: MESSAGE });

/** Every name, however deep, that no field from outside may have. */
export function unsafeNames(value: unknown): FieldError[] {
  const errors: FieldError[] = [];
  // A body can be nested deeper than a stack.
  const left: { path: string; value: unknown }[] = [{ path: '', value }];
  for (let next = left.pop(); next; next = left.pop()) {
    if (typeof next.value !== 'object' || next.value === null) continue;
    const isList = Array.isArray(next.value);
    for (const [name, part] of Object.entries(next.value)) {
      const path = next.path === '' ? name : `${next.path}.${name}`;
      if (!isList && !isSafeName(name)) errors.push({ path, message: MESSAGE });
      else left.push({ path, value: part });
    }
  }
  return errors;
}
