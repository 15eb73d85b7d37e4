import { Hono } from 'hono';
import { z } from 'zod';
import { ArtifexError } from '../domain/errors.ts';
import type { EdgeEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import type { Operation } from '../workflows/readOperation.ts';

/** What the database connection says of itself; more than `isConnected` is shown as it is. */
export interface DatabaseHealth {
  isConnected: boolean;
  [detail: string]: unknown;
}

export interface HealthDeps {
  health: () => DatabaseHealth | Promise<DatabaseHealth>;
  /** How the deployment fares; null when the database does not tell in time. */
  operation?: (() => Promise<Operation | null>) | undefined;
  /** Which of the services that it can work with have been named to this process. */
  configured?: Readonly<Record<string, boolean>> | undefined;
}

const livenessSchema = z.object({ status: z.literal('ok') });
const readinessSchema = z.object({
  status: z.literal('ok'),
  database: z.looseObject({ isConnected: z.boolean() }),
  configured: z.record(z.string(), z.boolean()).optional().describe('What this process has the variables of.'),
  problems: z
    .array(z.string())
    .optional()
    .describe('What somebody should look at: `job_failed: NAME`, `queue_late`, `inbox_stuck`, `inbox_late`.'),
  jobs: z
    .array(z.object({ name: z.string(), outcome: z.string().nullable(), lastSuccessAt: z.iso.datetime().nullable() }))
    .optional()
    .describe('Of the last run of each job, by any process.'),
  queue: z
    .object({ queued: z.int(), waiting: z.int(), oldestSeconds: z.number() })
    .optional()
    .describe('Generations that wait for a worker, or outside of the queue.'),
  inbox: z
    .object({ open: z.int(), stuck: z.int(), waiting: z.int(), oldestSeconds: z.number() })
    .optional()
    .describe('Events of Stripe and Clerk that have not been applied.'),
});

/** Is the process alive, and can it do its work? */
export function healthRoutes(deps: HealthDeps) {
  return new Hono<EdgeEnv>()
    .get(
      '/healthz',
      describe({
        summary: 'Liveness',
        description: 'Answers as long as the process lives, whatever it depends on.',
        tags: ['operation'],
        answers: { 200: { description: 'The process lives.', schema: livenessSchema } },
      }),
      (c) => c.json({ status: 'ok' as const }),
    )
    .get(
      '/readyz',
      describe({
        summary: 'Readiness',
        description:
          'Answers 200 while the database can be reached. What else may be wrong stands in the body, at most five seconds old; it is left out when the database is too slow to tell.',
        tags: ['operation'],
        answers: { 200: { description: 'Requests can be served.', schema: readinessSchema } },
        errors: ['unavailable'],
      }),
      async (c) => {
        const database = await deps.health();
        if (!database.isConnected) {
          throw new ArtifexError('unavailable', 'The database is out of reach; this process keeps trying.');
        }
        const operation = await deps.operation?.();
        const { configured } = deps;
        return c.json({ status: 'ok' as const, database, ...(configured && { configured }), ...operation });
      },
    );
}
