import { z } from 'zod';

/** A page of a list, newest first. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    data: z.array(item),
    nextCursor: z.string().nullable().describe('Give it as `cursor` for the next page; null on the last one.'),
  });
}

/** The query of a list. Extend it for filters: `z.strictObject({ ...pageQuery.shape, status })`. */
export const pageQuery = z.strictObject({
  limit: queryInteger({ min: 1, max: 100 }).default(20).describe('Entries per page.'),
  cursor: z.string().min(1).max(512).optional().describe('`nextCursor` of the page before.'),
});

/** The query of a route that takes no parameter. */
export const noQuery = z.strictObject({});

/** An instant as it leaves: ISO 8601 in UTC. */
export const instantSchema = z.iso.datetime();

/** A whole number in a query: plain decimal digits, since `1e2`, `0x10` and ` 7 ` are typing errors and no numbers. */
export function queryInteger({ min, max }: { min: number; max: number }) {
  return z
    .string()
    .regex(/^(?:0|[1-9]\d{0,14})$/, 'Invalid input: expected a whole number in decimal digits')
    .transform(Number)
    .pipe(z.int().min(min).max(max))
    .meta({ type: 'integer', minimum: min, maximum: max, pattern: undefined });
}
