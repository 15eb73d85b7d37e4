import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import type { EdgeEnv } from './context.ts';

/** A request while it is traced. */
export interface TracedRequest {
  traceId: string;
  answered(answer: TracedAnswer): void;
}

/** What is told of a request: nothing of what the caller has said in it, but for the id. */
export interface TracedAnswer {
  method: string;
  /** The pattern, not the path. */
  route: string;
  status: number;
  requestId: string;
}

/** Does the work within a trace: the caller's own, where the headers name one. */
export type TraceRequest = (headers: Headers, work: (request: TracedRequest) => Promise<void>) => Promise<void>;

/** Traces every request, whatever refuses it. */
export function traceRequests(trace: TraceRequest) {
  return createMiddleware<EdgeEnv>(async function traceThisRequest(c, next) {
    await trace(c.req.raw.headers, async (request) => {
      c.set('traceId', request.traceId);
      await next();
      const { requestId } = c.var;
      request.answered({ method: c.req.method, route: routePath(c, -1), status: c.res.status, requestId });
    });
  });
}
