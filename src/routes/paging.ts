import type { z } from 'zod';
import { decodeCursor, encodeCursor } from '../domain/cursor.ts';
import { ValidationFailedError } from '../domain/errors.ts';

type Position = readonly (string | number)[];

/** The position that a cursor stands for, or undefined without one. */
export function positionOf<Schema extends z.ZodType>(
  cursor: string | undefined,
  schema: Schema,
): z.output<Schema> | undefined {
  if (cursor === undefined) return undefined;
  const position = schema.safeParse(decodeCursor(cursor));
  if (position.success) return position.data;
  throw new ValidationFailedError([{ path: 'cursor', message: 'Give the `nextCursor` of the page before' }]);
}

/**
 * A page of `limit` items. One item more has to have been looked for: its presence, and no count, tells that there is a next page.
 */
export function pageOut<Item, Out>(
  found: readonly Item[],
  limit: number,
  represent: (item: Item) => Out,
  position: (item: Item) => Position,
): { data: Out[]; nextCursor: string | null } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const more = found.length > limit && last !== undefined;
  return { data: page.map(represent), nextCursor: more ? encodeCursor(position(last)) : null };
}
