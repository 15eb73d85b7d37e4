/** What somebody may still ask in the running window, after the request that asked for it. */
export interface Allowance {
  isAllowed: boolean;
  /** Requests of one window. */
  limit: number;
  windowSeconds: number;
  remaining: number;
  /** Whole seconds, at least one. */
  resetsInSeconds: number;
}

/** Counts requests by whoever sends them. A window begins with the first request and ends `windowSeconds` later. */
export interface RateLimiter {
  /** Counts one request. The answer is there at once where nothing has to be asked for it. */
  take(key: string): Allowance | Promise<Allowance>;
}

export interface RateLimit {
  limit: number;
  windowSeconds: number;
}

/** @param used requests of the running window, this one among them */
export function allowanceOf({ limit, windowSeconds }: RateLimit, used: number, resetsInMs: number): Allowance {
  return {
    isAllowed: used <= limit,
    limit,
    windowSeconds,
    remaining: Math.max(limit - used, 0),
    resetsInSeconds: Math.max(Math.ceil(resetsInMs / 1000), 1),
  };
}

export function perMinute(limit: number): RateLimit {
  return { limit, windowSeconds: 60 };
}
