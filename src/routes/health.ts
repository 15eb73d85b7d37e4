import { Hono } from 'hono';
import { z } from 'zod';
import { ArtifexError } from '../domain/errors.ts';
import type { EdgeEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';

/** What the database connection says of itself; more than `isConnected` is shown as it is. */
export interface DatabaseHealth {
  isConnected: boolean;
  [detail: string]: unknown;
}

export interface HealthDeps {
  health: () => DatabaseHealth | Promise<DatabaseHealth>;
}

const livenessSchema = z.object({ status: z.literal('ok') });
const readinessSchema = z.object({
  status: z.literal('ok'),
  database: z.looseObject({ isConnected: z.boolean() }),
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
        description: 'Answers 200 while the database can be reached.',
        tags: ['operation'],
        answers: { 200: { description: 'Requests can be served.', schema: readinessSchema } },
        errors: ['unavailable'],
      }),
      async (c) => {
        const database = await deps.health();
        if (!database.isConnected) {
          throw new ArtifexError('unavailable', 'The database is out of reach; this process keeps trying.');
        }
        return c.json({ status: 'ok' as const, database });
      },
    );
}
