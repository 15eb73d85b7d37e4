import { Hono } from 'hono';
import { z } from 'zod';
import { SUBSCRIPTION_TIERS } from '../../domain/tiers.ts';
import type { UserEnv } from '../../middleware/context.ts';
import { describe } from '../../middleware/describe.ts';
import { params, query } from '../../middleware/validate.ts';
import { readUser, readUsers } from '../../workflows/administer.ts';
import type { RouteDeps } from '../deps.ts';
import { idSchema } from '../ids.ts';
import { pageOut, positionOf } from '../paging.ts';
import { noQuery, pageOf, pageQuery } from '../schemas.ts';
import { actorOf } from './actor.ts';
import {
  adminUserOut,
  adminUserSchema,
  adminUserWithSubscriptionOut,
  adminUserWithSubscriptionSchema,
} from './representations.ts';

const usersQuery = z.strictObject({
  ...pageQuery.shape,
  email: z
    .string()
    .trim()
    .toLowerCase()
    .min(1)
    .max(320)
    .optional()
    .describe('The whole address; capital letters count as small ones.'),
  tier: z.enum(SUBSCRIPTION_TIERS).optional(),
});

const userPosition = z
  .tuple([z.iso.datetime().transform((text) => new Date(text)), idSchema])
  .transform(([createdAt, id]) => ({ createdAt, id }));

export function adminUserRoutes({ ctx }: RouteDeps) {
  return new Hono<UserEnv>()
    .get(
      '/',
      describe({
        summary: 'Users',
        description: 'Deleted ones too. That they were looked at is written to the audit trail.',
        tags: ['admin'],
        answers: { 200: { description: 'Newest first.', schema: pageOf(adminUserSchema) } },
      }),
      query(usersQuery),
      async (c) => {
        const { limit, cursor, ...filter } = c.req.valid('query');
        const after = positionOf(cursor, userPosition);
        const found = await readUsers(ctx, { ...filter, after, limit }, actorOf(c.var.auth));
        const now = ctx.clock.now();
        return c.json(
          pageOut(
            found,
            limit,
            (user) => adminUserOut(user, now),
            ({ createdAt, _id }) => [createdAt.toISOString(), _id.toHexString()],
          ),
        );
      },
    )
    .get(
      '/:id',
      describe({
        summary: 'One user, with their subscription',
        description: 'That they were looked at is written to the audit trail.',
        tags: ['admin'],
        answers: { 200: { description: 'Deleted or not.', schema: adminUserWithSubscriptionSchema } },
        errors: ['not_found'],
      }),
      params(z.object({ id: idSchema })),
      query(noQuery),
      async (c) => {
        const { user, subscription } = await readUser(ctx, c.req.valid('param').id, actorOf(c.var.auth));
        return c.json(adminUserWithSubscriptionOut(user, subscription, ctx.clock.now()));
      },
    );
}
