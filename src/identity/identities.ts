import { LRUCache } from 'lru-cache';
import type { Types } from 'mongoose';

/**
 * Which user a Clerk id is, of those that were seen lately. The pair never changes; it is forgotten after a while only so that
 * a deletion by another process comes to light. Nothing that moves credits relies on it: those statements look at the user
 * itself.
 */
export type Identities = LRUCache<string, Types.ObjectId>;

const MAX_IDENTITIES = 10_000;
const MAX_AGE_MS = 10_000;

export function createIdentities(): Identities {
  return new LRUCache({ max: MAX_IDENTITIES, ttl: MAX_AGE_MS });
}
