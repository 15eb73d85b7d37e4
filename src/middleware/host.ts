import { createMiddleware } from 'hono/factory';
import { ValidationFailedError } from '../domain/errors.ts';
import type { EdgeEnv } from './context.ts';

/**
 * Refuses a request whose `Host` is none (RFC 9112 section 3.2 wants a 400). Some runtimes let it through, and then the address of
 * the request is no URL.
 */
export function requireHost() {
  return createMiddleware<EdgeEnv>(async function refuseBrokenHost(c, next) {
    if (!URL.canParse(c.req.url)) {
      throw new ValidationFailedError([{ path: 'Host', message: 'Invalid input: expected a host name' }]);
    }
    await next();
  });
}
