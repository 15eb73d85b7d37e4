import { createMiddleware } from 'hono/factory';
import type { EdgeEnv } from './context.ts';

const SANE_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** Gives every request an id, and every answer its `X-Request-Id`: the caller's own where it sent a sane one. */
export function requestId() {
  return createMiddleware<EdgeEnv>(async function identifyRequest(c, next) {
    const asked = c.req.header('X-Request-Id') ?? '';
    const id = SANE_ID.test(asked) ? asked : crypto.randomUUID();
    c.set('requestId', id);
    await next();
    // Set on the finished answer: Hono drops prepared fields when a handler returns a Response of its own.
    c.header('X-Request-Id', id);
  });
}
