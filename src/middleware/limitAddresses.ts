import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { clientAddress, type TrustedProxy } from '../domain/clientAddress.ts';
import { ArtifexError, type ErrorCode } from '../domain/errors.ts';
import type { RateLimiter } from '../domain/rateLimit.ts';
import type { EdgeEnv } from './context.ts';
import { tooManyRequests } from './rateLimit.ts';

export interface AddressLimits {
  addressLimiter: RateLimiter;
  trustedProxy: TrustedProxy;
}

/** Asked by machines that would take a refusal for a failure. They cost next to nothing. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/** Behind these stands a token or a signature. */
const GUARDED = /^\/(?:v1|webhooks)\//;

/** How a request fails that could not prove whose it is. */
const FAILURES: ReadonlySet<ErrorCode> = new Set(['unauthenticated', 'invalid_signature']);

const ADDRESS_POLICY = 'address';

/**
 * Limits, per client address, what is asked without proof of who asks: every open address, known or not, and every token or signature
 * that is not valid. It is no lock: whoever has a valid one passes, so that nobody can shut out others behind the same address.
 */
export function limitAddresses({ addressLimiter, trustedProxy }: AddressLimits) {
  const count = (c: Context<EdgeEnv>) =>
    addressLimiter.take(clientAddress(trustedProxy, c.env?.peerAddress, (name) => c.req.header(name)));

  return createMiddleware<EdgeEnv>(async function countStrangers(c, next) {
    if (PROBES.has(c.req.path)) return next();
    if (!GUARDED.test(c.req.path)) {
      const allowance = await count(c);
      if (!allowance.isAllowed) throw tooManyRequests(ADDRESS_POLICY, allowance);
      return next();
    }
    await next();
    if (!(c.error instanceof ArtifexError) || !FAILURES.has(c.error.code)) return;
    const allowance = await count(c);
    if (allowance.isAllowed) return;
    // Hono carries the fields of an answer over to the one that takes its place; this one would say what is not so.
    c.res.headers.delete('WWW-Authenticate');
    throw tooManyRequests(ADDRESS_POLICY, allowance);
  });
}
