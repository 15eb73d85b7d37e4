import type mongoose from 'mongoose';
import type { Collection, Types } from 'mongoose';
import { isDuplicateKey } from '../../duplicateKey.ts';

/** The condition that a document still is as it was seen; null: that there still is none. */
export function isStill(seen: Types.ObjectId | null) {
  return seen ?? { $exists: false };
}

/**
 * Sends guarded replacements, in one command. Each filters by a place, which is a unique key, and by the revision that stood there
 * before the computation began, and sets another one: what is computed from an older state of the source thus never takes the
 * place of what is computed from a newer one.
 *
 * @returns whether all of them were made; if not, somebody else was faster, and what was computed may be old
 */
export async function replaceAll<Document extends object>(
  collection: Collection<Document>,
  replacements: readonly mongoose.mongo.AnyBulkWriteOperation<Document>[],
): Promise<boolean> {
  if (replacements.length === 0) return true;
  try {
    const { matchedCount, upsertedCount } = await collection.bulkWrite(replacements, { ordered: false });
    return matchedCount + upsertedCount === replacements.length;
  } catch (error) {
    // Somebody else has made the document since.
    if (isDuplicateKey(error)) return false;
    throw error;
  }
}
