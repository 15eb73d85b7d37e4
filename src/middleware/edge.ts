import { Hono } from 'hono';
import { describeRoute } from 'hono-openapi';
import type { Log } from '../config/log.ts';
import { refuseLargeBodies } from './body.ts';
import type { EdgeEnv } from './context.ts';
import { anyProblem } from './describe.ts';
import { requireHost } from './host.ts';
import { notFoundHandler, problemHandler, throwErrorsOnly } from './problem.ts';
import { requestId } from './requestId.ts';
import { type AnsweredRequest, requestLog } from './requestLog.ts';
import { knownRoutesOnly } from './routing.ts';
import { securityHeaders } from './securityHeaders.ts';

export interface EdgeDeps {
  log: Log;
  /** Told of every answer. */
  requestAnswered: (request: AnsweredRequest) => void;
}

/**
 * An application with everything that holds for all routes, and no route yet. The order matters: whatever refuses
 * stands inside what identifies and logs the request, and an unknown address is refused before anything is asked of it.
 */
export function createEdge(deps: EdgeDeps): Hono<EdgeEnv> {
  const app = new Hono<EdgeEnv>();
  app.onError(problemHandler(deps.log));
  app.notFound(notFoundHandler);
  app.use(requestId(), requestLog(deps.log, deps.requestAnswered), securityHeaders());
  app.use(requireHost(), knownRoutesOnly(app), refuseLargeBodies());
  app.use(throwErrorsOnly(), describeRoute({ responses: { default: anyProblem() } }));
  return app;
}
