import type { Document } from 'mongoose';

/**
 * Shows in the document what the database holds now, as if it had just been read: a later `save()` writes none of it back.
 * Changes to other fields that are not saved yet stay.
 *
 * @param fields paths at the top; one that is missing in `stored` is missing in the document afterwards
 */
export function refresh(document: Document, stored: object, fields: readonly string[]): void {
  const values = new Map<string, unknown>(Object.entries(stored));
  for (const field of fields) {
    document.$set(field, values.get(field));
    document.unmarkModified(field);
  }
}
