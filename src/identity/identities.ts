import { LRUCache } from 'lru-cache';
import type { Types } from 'mongoose';

/**
 * Which user a Clerk id is, of those that were seen lately. The pair never changes; it is forgotten after a while only so that
 * a deletion by another process comes to light. Nothing that moves credits relies on it: those statements look at the user
 * itself.
 */
export interface Identities {
  get(clerkUserId: string): Types.ObjectId | undefined;
  set(clerkUserId: string, userId: Types.ObjectId): void;
}

const MAX_IDENTITIES = 10_000;
const MAX_AGE_MS = 10_000;

/** @param lookedUp told of every look, and whether it was a hit */
export function createIdentities(lookedUp: (isHit: boolean) => void): Identities {
  const seen = new LRUCache<string, Types.ObjectId>({ max: MAX_IDENTITIES, ttl: MAX_AGE_MS });
  return {
    get(clerkUserId) {
      const userId = seen.get(clerkUserId);
      lookedUp(userId !== undefined);
      return userId;
    },
    set(clerkUserId, userId) {
      seen.set(clerkUserId, userId);
    },
  };
}
