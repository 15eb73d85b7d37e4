import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { uniqueSymbol } from 'hono-openapi';
import type { Allowance, RateLimiter } from '../domain/rateLimit.ts';
import type { UserEnv } from './context.ts';
import { problemAnswers } from './describe.ts';
import { Refusal } from './refusal.ts';

/** Methods that change nothing (RFC 9110 section 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** What this policy is called in the fields of an answer. */
const QUOTA_POLICY = 'quota';

/**
 * Limits how often a person may ask. It stands behind `authenticate`. What changes something waits for the count, so that nothing is
 * charged over the limit; a read runs meanwhile, and is thrown away where the count refuses it.
 */
export function limitUsers(limiter: RateLimiter) {
  const middleware = createMiddleware<UserEnv>(async function countRequest(c, next) {
    const count = limiter.take(c.var.auth.clerkUserId);
    if (count instanceof Promise && SAFE_METHODS.has(c.req.method)) {
      const [allowance] = await Promise.all([count, next()]);
      if (!allowance.isAllowed) throw tooManyRequests(QUOTA_POLICY, allowance);
      return tell(c, QUOTA_POLICY, allowance);
    }
    const allowance = await count;
    if (!allowance.isAllowed) throw tooManyRequests(QUOTA_POLICY, allowance);
    await next();
    tell(c, QUOTA_POLICY, allowance);
  });
  return Object.assign(middleware, { [uniqueSymbol]: { spec: { responses: problemAnswers(['rate_limited']) } } });
}

/** RFC 6585 section 4. The fields name the same instant twice, as the draft asks. */
export function tooManyRequests(policy: string, allowance: Allowance): Refusal {
  const { resetsInSeconds } = allowance;
  const headers = { ...rateLimitFields(policy, allowance), 'Retry-After': String(resetsInSeconds) };
  return new Refusal('rate_limited', `Too many requests. Try again in ${resetsInSeconds} s.`, headers);
}

/** Adds the fields to an answer, which may be a refusal of another kind. */
export function tell(c: Context, policy: string, allowance: Allowance): void {
  for (const [name, value] of Object.entries(rateLimitFields(policy, allowance))) c.header(name, value);
}

/** https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-11: lists of structured fields (RFC 9651). */
function rateLimitFields(policy: string, { limit, windowSeconds, remaining, resetsInSeconds }: Allowance) {
  return {
    'RateLimit-Policy': `"${policy}";q=${limit};w=${windowSeconds}`,
    RateLimit: `"${policy}";r=${remaining};t=${resetsInSeconds}`,
  };
}
