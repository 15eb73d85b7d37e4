import { Hono } from 'hono';
import { z } from 'zod';
import { MAX_CREDITS } from '../../domain/credits.ts';
import { idempotencyOf } from '../../domain/idempotency.ts';
import type { UserEnv } from '../../middleware/context.ts';
import { describe } from '../../middleware/describe.ts';
import { idempotencyKey } from '../../middleware/idempotencyKey.ts';
import { emptyBody, jsonBody, params, query } from '../../middleware/validate.ts';
import { grantCreditsTo, resetQuotaOf } from '../../workflows/administer.ts';
import type { RouteDeps } from '../deps.ts';
import { idSchema } from '../ids.ts';
import { writable } from '../permitted.ts';
import { noQuery } from '../schemas.ts';
import { actorOf } from './actor.ts';
import { adminUserOut, adminUserSchema } from './representations.ts';

const grantSchema = writable(
  { resource: 'Grant', by: 'admin', id: 'GrantRequest', example: { credits: 20, reason: 'The outage of Tuesday' } },
  {
    credits: z.int().min(1).max(MAX_CREDITS),
    reason: z.string().trim().min(1).max(500).describe('For the audit trail.'),
  },
);

const oneUser = params(z.object({ id: idSchema }));

export function adminQuotaRoutes({ ctx }: RouteDeps) {
  return new Hono<UserEnv>()
    .post(
      '/:id/quota/reset',
      describe({
        summary: "Begin a user's month of credits at once",
        description: 'Usage and grants begin anew; the next reset comes when it would have come.',
        tags: ['admin'],
        answers: { 200: { description: 'The user after it.', schema: adminUserSchema } },
        errors: ['not_found'],
      }),
      oneUser,
      query(noQuery),
      emptyBody(),
      async (c) => {
        const user = await resetQuotaOf(ctx, c.req.valid('param').id, actorOf(c.var.auth));
        return c.json(adminUserOut(user, ctx.clock.now()));
      },
    )
    .post(
      '/:id/quota/grant',
      describe({
        summary: 'Grant credits to a user',
        description: 'They raise the limit of the period that runs; the next reset ends them.',
        tags: ['admin'],
        answers: {
          200: {
            description: 'The user after it.',
            schema: adminUserSchema,
            headers: { 'Idempotency-Replayed': '`true` when the key had granted them before.' },
          },
        },
        errors: ['not_found', 'idempotency_key_reused'],
      }),
      oneUser,
      query(noQuery),
      idempotencyKey(),
      jsonBody(grantSchema),
      async (c) => {
        const body = c.req.valid('json');
        const { id } = c.req.valid('param');
        const { auth, idempotencyKey: key } = c.var;
        const idempotency = await idempotencyOf([auth.clerkUserId, id.toHexString()], key, {
          route: 'POST /v1/admin/users/{id}/quota/grant',
          body,
        });
        const { user, repeated } = await grantCreditsTo(ctx, id, body, actorOf(auth), idempotency);
        if (repeated) c.header('Idempotency-Replayed', 'true');
        return c.json(adminUserOut(user, ctx.clock.now()));
      },
    );
}
