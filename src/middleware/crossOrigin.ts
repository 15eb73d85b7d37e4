import { cors } from 'hono/cors';
import { createMiddleware } from 'hono/factory';
import type { EdgeEnv } from './context.ts';

/** What a page may send, besides what every page may. */
const SENT = ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID', 'X-Request-Id'];

/** What a page may read of an answer, besides what every page may. */
const SHOWN = [
  'Allow',
  'Idempotency-Replayed',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
];

const PREFLIGHT_SECONDS = 600;

/**
 * Lets pages of these origins use the API (https://fetch.spec.whatwg.org/#http-cors-protocol). Who asks is told by a token that the page
 * sends itself and never by a cookie, so credentials are not allowed to any origin, and `*` is safe to choose. A preflight carries no
 * token and is answered before anything asks for one.
 */
export function crossOrigin(origins: readonly string[]) {
  const isOpen = origins.includes('*');
  const answer = cors({
    origin: isOpen ? '*' : [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    allowHeaders: SENT,
    exposeHeaders: SHOWN,
    maxAge: PREFLIGHT_SECONDS,
  });
  return createMiddleware<EdgeEnv>(async function allowOrigins(c, next) {
    const isPlainOptions = c.req.method === 'OPTIONS' && !c.req.header('Access-Control-Request-Method');
    if (c.req.header('Origin') !== undefined && !isPlainOptions) return answer(c, next);
    await next();
    // A cache must not give to a page what was answered to none.
    if (!isOpen) c.header('Vary', 'Origin', { append: true });
  });
}
