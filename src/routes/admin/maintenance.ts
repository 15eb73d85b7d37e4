import { Hono } from 'hono';
import { z } from 'zod';
import type { UserEnv } from '../../middleware/context.ts';
import { describe } from '../../middleware/describe.ts';
import { emptyBody, query } from '../../middleware/validate.ts';
import type { RouteDeps } from '../deps.ts';
import { readable, represent } from '../permitted.ts';
import { noQuery } from '../schemas.ts';
import { actorOf } from './actor.ts';

const count = z.int().nonnegative();

const cleanupSchema = readable(
  { resource: 'CleanupRun', by: 'admin', id: 'CleanupRun' },
  {
    oldGenerationsRemoved: count.describe('Completed ones.'),
    failedGenerationsRemoved: count.describe('Failed and cancelled ones.'),
    subscriptionsUpdated: count.describe('That had long run out, and were ended.'),
  },
);
const quotaResetSchema = readable(
  { resource: 'QuotaResetRun', by: 'admin', id: 'QuotaResetRun' },
  { usersReset: count },
);

const LIMIT = 'A run ends after some seconds with what it has done until then; repeat it until it finds nothing.';

export function adminMaintenanceRoutes({ maintenance }: RouteDeps) {
  return new Hono<UserEnv>()
    .post(
      '/cleanup',
      describe({
        summary: 'Clean up now',
        description: `What the nightly cleanup does, under the same lease. ${LIMIT}`,
        tags: ['admin'],
        answers: { 200: { description: 'What this run has done.', schema: cleanupSchema } },
        errors: ['conflict', 'unavailable'],
      }),
      query(noQuery),
      emptyBody(),
      async (c) => c.json(represent(cleanupSchema, await maintenance.cleanup(actorOf(c.var.auth)))),
    )
    .post(
      '/quota-reset',
      describe({
        summary: 'Begin the months that are due',
        description: `For every user whose reset date has passed, under the lease of the scheduled job. ${LIMIT}`,
        tags: ['admin'],
        answers: { 200: { description: 'What this run has done.', schema: quotaResetSchema } },
        errors: ['conflict', 'unavailable'],
      }),
      query(noQuery),
      emptyBody(),
      async (c) => c.json(represent(quotaResetSchema, await maintenance.resetQuotas(actorOf(c.var.auth)))),
    );
}
