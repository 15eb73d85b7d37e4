import { Hono } from 'hono';
import type { EdgeEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';

export interface MetricsDeps {
  metrics: () => Promise<{ contentType: string; text: string }>;
}

/** What this process measures. It names no user and no address, and is open like the other routes of operation. */
export function metricsRoutes({ metrics }: MetricsDeps) {
  return new Hono<EdgeEnv>().get(
    '/metrics',
    describe({
      summary: 'Metrics',
      description: "In Prometheus' text format, of this process alone.",
      tags: ['operation'],
      answers: { 200: { description: 'The metrics.', mediaType: 'text/plain' } },
    }),
    async (c) => {
      const { contentType, text } = await metrics();
      return c.body(text, 200, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
    },
  );
}
