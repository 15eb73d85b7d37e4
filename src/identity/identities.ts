import { LRUCache } from 'lru-cache';
import type { Types } from 'mongoose';

/**
 * Which user a Clerk id is, of those that were seen lately: the id alone, and nothing that the user is or may do. Whoever relies on it
 * asks the database whether that user is still there; whatever moves credits looks at the user itself.
 */
export interface Identities {
  get(clerkUserId: string): Types.ObjectId | undefined;
  set(clerkUserId: string, userId: Types.ObjectId): void;
}

const MAX_IDENTITIES = 10_000;

/** @param lookedUp told of every look, and whether it was a hit */
export function createIdentities(lookedUp: (isHit: boolean) => void): Identities {
  const seen = new LRUCache<string, Types.ObjectId>({ max: MAX_IDENTITIES });
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
