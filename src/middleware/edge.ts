import { Hono } from 'hono';
import { describeRoute } from 'hono-openapi';
import type { Log } from '../config/log.ts';
import { refuseLargeBodies } from './body.ts';
import type { EdgeEnv } from './context.ts';
import { crossOrigin } from './crossOrigin.ts';
import { anyProblem } from './describe.ts';
import { requireHost } from './host.ts';
import { type AddressLimits, limitAddresses } from './limitAddresses.ts';
import { notFoundHandler, problemHandler, throwErrorsOnly } from './problem.ts';
import { requestId } from './requestId.ts';
import { type AnsweredRequest, requestLog } from './requestLog.ts';
import { knownRoutesOnly } from './routing.ts';
import { securityHeaders } from './securityHeaders.ts';
import { type TraceRequest, traceRequests } from './traceRequests.ts';

export interface EdgeDeps extends AddressLimits {
  log: Log;
  /** Told of every answer. */
  requestAnswered: (request: AnsweredRequest) => void;
  /** Whose pages may use the API; `*`: everybody's. */
  corsOrigins: readonly string[];
  /** Without it nothing is traced. */
  traceRequest?: TraceRequest | undefined;
}

/**
 * An application with everything that holds for all routes, and no route yet. The order matters: whatever refuses
 * stands inside what identifies and logs the request, and an unknown address is refused before anything is asked of it.
 */
export function createEdge(deps: EdgeDeps): Hono<EdgeEnv> {
  const app = new Hono<EdgeEnv>();
  app.onError(problemHandler(deps.log));
  app.notFound(notFoundHandler);
  app.use(requestId());
  if (deps.traceRequest) app.use(traceRequests(deps.traceRequest));
  app.use(requestLog(deps.log, deps.requestAnswered), securityHeaders(), crossOrigin(deps.corsOrigins));
  app.use(requireHost(), limitAddresses(deps), knownRoutesOnly(app), refuseLargeBodies());
  app.use(throwErrorsOnly(), describeRoute({ responses: { default: anyProblem() } }));
  return app;
}
