import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import type { Log } from '../config/log.ts';
import type { EdgeEnv } from './context.ts';

/** One line per request. It names the route's pattern, not the path: ids and queries are the caller's business. */
export function requestLog(log: Log) {
  return createMiddleware<EdgeEnv>(async function logRequest(c, next) {
    const startedAt = performance.now();
    await next();
    log.info('request', {
      method: c.req.method,
      route: routePath(c, -1),
      status: c.res.status,
      milliseconds: Math.round((performance.now() - startedAt) * 10) / 10,
      requestId: c.var.requestId,
    });
  });
}
