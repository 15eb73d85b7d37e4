import { LRUCache } from 'lru-cache';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { type Allowance, allowanceOf, type RateLimit, type RateLimiter } from '../domain/rateLimit.ts';
import type { Store } from '../models/store.ts';
import { createLane, type Lane } from './limitLane.ts';
import { giveBack, takePoints } from './rateLimits.ts';

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

export function createLimitMemory(limit: RateLimit): LimitMemory {
  const insurance = new RateLimiterMemory({ points: limit.limit, duration: limit.windowSeconds });
  return { limit, exhausted: new LRUCache({ max: MAX_EXHAUSTED }), insurance };
}

export interface SharedLimiter extends RateLimiter {
  /** Gives back what was taken beforehand. After the last request. */
  stop(): Promise<void>;
}

export interface LimiterOptions {
  /** Milliseconds that a request waits for the shared count before it is counted by this process alone. */
  patienceMs?: number | undefined;
  /** Milliseconds that a process keeps what it has taken beforehand; the same for all that share the database. */
  lendingMs?: number | undefined;
  /** Whether this one takes anything beforehand. It then has to last, and to be stopped. */
  borrows?: boolean | undefined;
}

const PATIENCE_MS = 5_000;
const LENDING_MS = 1_000;
/** How often in that time it is looked whether it has passed. */
const LOOKS = 4;

/**
 * A limit that holds over all processes that share the database. Whoever asks now and then costs a command a request. Of somebody who
 * asks again and again a process takes a little beforehand, more each time while it is used up soon, and gives back what is left of it
 * a second later; requests of one person that meet share a command.
 *
 * What one process holds is missing to the others: where nothing is left but some is lent, they wait until it must have been given
 * back, and look again. So nothing is let through over the limit, and nobody is refused below it.
 */
export function sharedLimiter(
  store: Store,
  { limit, exhausted, insurance }: LimitMemory,
  { patienceMs = PATIENCE_MS, lendingMs = LENDING_MS, borrows = true }: LimiterOptions = {},
): SharedLimiter {
  const lanes = new Map<string, Lane>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function laneOf(key: string): Lane {
    const known = lanes.get(key);
    if (known) return known;
    const lane = createLane({
      limit,
      lendingMs,
      borrows,
      ask: (taking) => within(patienceMs, takePoints(store, key, limit, taking)),
      // What is lost so comes back with the next window.
      giveBack: (counter, left) => giveBack(store, counter, left).catch(() => {}),
      exhausted: (until) => exhausted.set(key, until.getTime()),
      countAlone: () => countAlone(key),
    });
    if (borrows) {
      lanes.set(key, lane);
      lookLater();
    }
    return lane;
  }

  function lookLater(): void {
    if (timer !== undefined || lanes.size === 0) return;
    timer = setTimeout(async () => {
      await restAll();
      timer = undefined;
      lookLater();
    }, lendingMs / LOOKS);
    timer.unref();
  }

  async function restAll(atOnce = false): Promise<void> {
    await Promise.all(
      Array.from(lanes, async ([key, lane]) => {
        if (await lane.rest(atOnce)) lanes.delete(key);
      }),
    );
  }

  async function countAlone(key: string): Promise<Allowance> {
    const { consumedPoints, msBeforeNext } = await insurance.consume(key).catch((refusal: unknown) => {
      // The package throws what it refuses.
      if (refusal instanceof RateLimiterRes) return refusal;
      throw refusal;
    });
    return allowanceOf(limit, consumedPoints, msBeforeNext);
  }

  return {
    take(key) {
      const resetsInMs = (exhausted.get(key) ?? 0) - Date.now();
      return resetsInMs > 0 ? allowanceOf(limit, limit.limit + 1, resetsInMs) : laneOf(key).take();
    },
    async stop() {
      clearTimeout(timer);
      await restAll(true);
    },
  };
}

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
