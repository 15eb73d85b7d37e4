import { createMiddleware } from 'hono/factory';
import { ERROR_STATUS, ValidationFailedError } from '../domain/errors.ts';
import type { EdgeEnv } from './context.ts';
import { problemText } from './problem.ts';

/**
 * Refuses a request whose `Host` is none (RFC 9112 section 3.2 wants a 400). Some runtimes let it through, and then the address of
 * the request is no URL.
 */
export function requireHost() {
  return createMiddleware<EdgeEnv>(async function refuseBrokenHost(c, next) {
    if (!URL.canParse(c.req.url)) {
      throw brokenHost();
    }
    await next();
  });
}

/** The same refusal by a runtime that turns such a request away by itself: its path and the caller's own id are lost by then. */
export function brokenHostAnswer(): Response {
  const error = brokenHost();
  const headers = { 'Content-Type': 'application/problem+json', 'X-Request-Id': crypto.randomUUID() };
  return new Response(problemText(error, '/'), { status: ERROR_STATUS[error.code], headers });
}

function brokenHost(): ValidationFailedError {
  return new ValidationFailedError([{ path: 'Host', message: 'Invalid input: expected a host name' }]);
}
