import { LRUCache } from 'lru-cache';
import { allowanceOf, type RateLimit, type RateLimiter } from '../domain/rateLimit.ts';

/** Clients that are counted at the same time; beyond, the one that was silent for the longest is forgotten. */
const MAX_CLIENTS = 10_000;

/** A limit that each process counts by itself, in a memory that does not grow. */
export function memoryLimiter(limit: RateLimit): RateLimiter {
  const windows = new LRUCache<string, { used: number; endsAt: number }>({ max: MAX_CLIENTS });
  return {
    take(key) {
      const now = Date.now();
      let window = windows.get(key);
      if (!window || window.endsAt <= now) {
        window = { used: 0, endsAt: now + limit.windowSeconds * 1000 };
        windows.set(key, window);
      }
      window.used += 1;
      return allowanceOf(limit, window.used, window.endsAt - now);
    },
  };
}
