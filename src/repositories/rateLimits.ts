import { LRUCache } from 'lru-cache';
import type { Collection } from 'mongoose';
import { RateLimiterMemory, RateLimiterMongo, RateLimiterRes } from 'rate-limiter-flexible';
import { allowanceOf, type RateLimit, type RateLimiter } from '../domain/rateLimit.ts';
import { rateLimitsOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import type { RateLimit as Counter } from '../models/RateLimit.ts';
import type { Store } from '../models/store.ts';

/**
 * What a process remembers of a limit that all processes share: who has used theirs up, so that those cost no command more, and its
 * own counts for when the database is slow or out of reach.
 */
export interface LimitMemory {
  limit: RateLimit;
  /** When the window ends of those who have nothing left, in milliseconds since 1970. */
  exhausted: LRUCache<string, number>;
  insurance: RateLimiterMemory;
}

const MAX_EXHAUSTED = 10_000;

/** Milliseconds that a request waits for the shared count before it is counted by this process alone. */
const PATIENCE_MS = 5_000;

const KEY_PREFIX = 'quota';

export function createLimitMemory(limit: RateLimit): LimitMemory {
  const options = { points: limit.limit, duration: limit.windowSeconds, keyPrefix: KEY_PREFIX };
  return { limit, exhausted: new LRUCache({ max: MAX_EXHAUSTED }), insurance: new RateLimiterMemory(options) };
}

/**
 * A limit that holds over all processes that share the database, at one command a request. Windows follow the machine's clock, as the
 * database's removal of old ones does, and not the clock of quota, which may be moved.
 */
export function sharedLimiter(
  store: Store,
  { limit, exhausted, insurance }: LimitMemory,
  patienceMs = PATIENCE_MS,
): RateLimiter {
  const counters = new CounterStore(rateLimitsOf(store), limit, insurance, patienceMs);

  async function count(key: string) {
    const { consumedPoints, msBeforeNext } = await counters.consume(key).catch((refusal: unknown) => {
      // What the package refuses it throws, and what it throws besides has gone to the insurance.
      if (refusal instanceof RateLimiterRes) return refusal;
      throw refusal;
    });
    if (consumedPoints > limit.limit) exhausted.set(key, Date.now() + msBeforeNext);
    return allowanceOf(limit, consumedPoints, msBeforeNext);
  }

  return {
    take(key) {
      const resetsInMs = (exhausted.get(key) ?? 0) - Date.now();
      return resetsInMs > 0 ? allowanceOf(limit, limit.limit + 1, resetsInMs) : count(key);
    },
  };
}

/**
 * The package's limiter with a statement of ours. Its own takes three commands, one of which fails, for a window that has ended and that
 * the database has not removed yet; this one begins the next window in the place of the last.
 */
class CounterStore extends RateLimiterMongo {
  readonly #counters: Collection<Counter>;
  readonly #patienceMs: number;

  constructor(
    counters: Collection<Counter>,
    limit: RateLimit,
    insuranceLimiter: RateLimiterMemory,
    patienceMs: number,
  ) {
    super({
      // Asked for its collection by the package, which then does not use it.
      storeClient: { collection: () => counters },
      points: limit.limit,
      duration: limit.windowSeconds,
      keyPrefix: KEY_PREFIX,
      // They are built with all others at the start, before the first request.
      disableIndexesCreation: true,
      insuranceLimiter,
    });
    this.#counters = counters;
    this.#patienceMs = patienceMs;
  }

  /** What a store has to do for the package: count, and answer with the count and the end of its window. */
  _upsert(key: string, points: number, durationMs: number): Promise<Counter> {
    return within(this.#patienceMs, this.#count(key, points, durationMs));
  }

  async #count(key: string, points: number, durationMs: number): Promise<Counter> {
    const now = Date.now();
    const runs = { $gt: ['$expire', new Date(now)] };
    const statement = [
      {
        $set: {
          points: { $cond: [runs, { $add: ['$points', points] }, points] },
          expire: { $cond: [runs, '$expire', new Date(now + durationMs)] },
        },
      },
    ];
    const upsert = () => this.#counters.findOneAndUpdate({ key }, statement, UPSERT);
    // Two first requests at once may both insert; the server repeats the second in most cases, and we in all.
    const counter = await upsert().catch((error: unknown) => {
      if (isDuplicateKey(error)) return upsert();
      throw error;
    });
    if (!counter) throw new Error('An upsert answers with its document');
    return counter;
  }
}

const UPSERT = {
  upsert: true,
  returnDocument: 'after',
  projection: { _id: 0, key: 1, points: 1, expire: 1 },
  // A count that is lost with a primary lets a few requests more through for a minute; nobody waits for the other members.
  writeConcern: { w: 1 },
} as const;

/** @throws an error when it takes longer; what was begun goes on */
async function within<Result>(milliseconds: number, work: Promise<Result>): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('The database is slow')), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
