import { requireDatabase } from './middleware/databaseGate.ts';
import { createEdge, type EdgeDeps } from './middleware/edge.ts';
import { adminRoutes } from './routes/admin/index.ts';
import { analyticsRoutes } from './routes/analytics.ts';
import type { RouteDeps } from './routes/deps.ts';
import { docsRoutes } from './routes/docs.ts';
import { generationRoutes } from './routes/generations.ts';
import { type HealthDeps, healthRoutes } from './routes/health.ts';
import { imageRoutes } from './routes/images.ts';
import { type InboundDeps, inboundRoutes } from './routes/inbound.ts';
import { type MetricsDeps, metricsRoutes } from './routes/metrics.ts';
import { openApiOf } from './routes/openapi.ts';
import { quotaRoutes } from './routes/quota.ts';
import { subscriptionRoutes } from './routes/subscriptions.ts';
import { userRoutes } from './routes/users.ts';
import { webhookEndpointRoutes } from './routes/webhookEndpoints.ts';
import { workerRoutes } from './routes/worker.ts';

/** Everything that the application needs from outside: it opens nothing itself. */
export interface AppDeps extends EdgeDeps, HealthDeps, MetricsDeps, RouteDeps, InboundDeps {
  /** Whether collections and indexes stand. */
  isPrepared: () => boolean;
}

/**
 * The whole API. No I/O: what does it is handed in.
 *
 * @example
 * const app = createApp(deps);
 * serve({ fetch: app.fetch, port: 8787 });
 */
export function createApp(deps: AppDeps) {
  const edge = createEdge(deps);
  return edge
    .route('/', healthRoutes(deps))
    .route('/', metricsRoutes(deps))
    .route(
      '/',
      docsRoutes(() => openApiOf(edge)),
    )
    .route('/images', imageRoutes(deps))
    .use('/v1/*', requireDatabase(deps.isPrepared))
    .use('/webhooks/*', requireDatabase(deps.isPrepared))
    .route('/webhooks', inboundRoutes(deps))
    .route('/v1/me', userRoutes(deps))
    .route('/v1/quota', quotaRoutes(deps))
    .route('/v1/generations', generationRoutes(deps))
    .route('/v1/subscription', subscriptionRoutes(deps))
    .route('/v1/analytics', analyticsRoutes(deps))
    .route('/v1/worker/generations', workerRoutes(deps))
    .route('/v1/admin', adminRoutes(deps))
    .route('/v1/webhook-endpoints', webhookEndpointRoutes(deps));
}

/** What is sent to the endpoints of users looks like what the routes answer. */
export { webhookBody } from './routes/webhookRepresentations.ts';

/** The type that `hc<AppType>()` of hono/client makes a typed client from. */
export type AppType = ReturnType<typeof createApp>;
