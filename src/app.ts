import type { Log } from './config/log.ts';
import type { SessionTrust } from './identity/sessionTrust.ts';
import { createEdge } from './middleware/edge.ts';
import { docsRoutes } from './routes/docs.ts';
import { type HealthDeps, healthRoutes } from './routes/health.ts';
import { openApiOf } from './routes/openapi.ts';

/** Everything that the application needs from outside: it opens nothing itself. */
export interface AppDeps extends HealthDeps {
  log: Log;
  sessions: SessionTrust;
}

/**
 * The whole API. No I/O: what does it is handed in.
 *
 * @example
 * const app = createApp({ log, sessions, health: getConnectionInfo });
 * serve({ fetch: app.fetch, port: 8787 });
 */
export function createApp(deps: AppDeps) {
  const edge = createEdge(deps);
  return edge.route('/', healthRoutes(deps)).route(
    '/',
    docsRoutes(() => openApiOf(edge)),
  );
}

/** The type that `hc<AppType>()` of hono/client makes a typed client from. */
export type AppType = ReturnType<typeof createApp>;
