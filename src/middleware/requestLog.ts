import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import type { Log } from '../config/log.ts';
import type { EdgeEnv } from './context.ts';

export interface AnsweredRequest {
  method: string;
  /** The pattern, not the path: ids and queries are the caller's business. */
  route: string;
  status: number;
  seconds: number;
}

/** One line per request; `answered` is told the same. */
export function requestLog(log: Log, answered: (request: AnsweredRequest) => void) {
  return createMiddleware<EdgeEnv>(async function logRequest(c, next) {
    const startedAt = performance.now();
    await next();
    const milliseconds = performance.now() - startedAt;
    const request = { method: c.req.method, route: routePath(c, -1), status: c.res.status };
    answered({ ...request, seconds: milliseconds / 1000 });
    log.info('request', {
      ...request,
      milliseconds: Math.round(milliseconds * 10) / 10,
      requestId: c.var.requestId,
      traceId: c.var.traceId,
    });
  });
}
