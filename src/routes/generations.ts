import { Hono } from 'hono';
import { z } from 'zod';
import { IMAGE_GENERATION_TYPES } from '../domain/generation.ts';
import { idempotencyOf } from '../domain/idempotency.ts';
import { GENERATION_STATUSES } from '../domain/lifecycle.ts';
import { authenticate } from '../middleware/auth.ts';
import type { UserEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { idempotencyKey } from '../middleware/idempotencyKey.ts';
import { limitUsers } from '../middleware/rateLimit.ts';
import { emptyBody, jsonBody, params, query } from '../middleware/validate.ts';
import { getGeneration, listGenerations } from '../repositories/generations.ts';
import { createGeneration } from '../workflows/createGeneration.ts';
import { cancel, remove } from '../workflows/endGeneration.ts';
import { asUser, readAsUser, userIdOf } from '../workflows/signIn.ts';
import type { RouteDeps } from './deps.ts';
import { generationEventRoutes } from './generationEvents.ts';
import { idSchema } from './ids.ts';
import { originOf } from './origin.ts';
import { pageOut, positionOf } from './paging.ts';
import { generationOut, generationRequestSchema, generationSchema } from './representations.ts';
import { noQuery, pageOf, pageQuery } from './schemas.ts';

const tags = ['generations'];
const oneGeneration = params(z.object({ id: idSchema }));

const instant = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error: 'Invalid input: expected an instant with its time zone, or a date, in ISO 8601',
  })
  .transform((text) => new Date(text))
  .meta({ type: 'string' });

const generationsQuery = z.strictObject({
  ...pageQuery.shape,
  status: z.enum(GENERATION_STATUSES).optional().describe('Only those that are in this state now.'),
  type: z.enum(IMAGE_GENERATION_TYPES).optional(),
  from: instant.optional().describe('Created at this instant or later; a date is its midnight in UTC.'),
  to: instant.optional().describe('Created before this instant; a date is its midnight in UTC.'),
});

const generationPosition = z
  .tuple([z.iso.datetime().transform((text) => new Date(text)), idSchema])
  .transform(([createdAt, id]) => ({ createdAt, id }));

export function generationRoutes(deps: RouteDeps) {
  const { ctx } = deps;
  return new Hono<UserEnv>()
    .use(authenticate(deps.sessions))
    .route('/', generationEventRoutes(deps))
    .post(
      '/',
      describe({
        summary: 'Generate images',
        description: 'Takes the credits and queues the generation. A generation that fails gives them back.',
        tags,
        answers: {
          201: {
            description: 'Charged and queued; `Location` shows how it goes.',
            schema: generationSchema,
            headers: {
              Location: 'Where the generation is.',
              'Idempotency-Replayed': '`true` when the key had been used before.',
            },
          },
        },
        errors: ['insufficient_quota', 'account_deleted', 'not_found', 'idempotency_key_reused'],
      }),
      limitUsers(deps.quotaLimiter),
      query(noQuery),
      idempotencyKey(),
      jsonBody(generationRequestSchema),
      async (c) => {
        const body = c.req.valid('json');
        const { auth, idempotencyKey: key } = c.var;
        const idempotency = await idempotencyOf(auth.clerkUserId, key, { route: 'POST /v1/generations', body });
        const { generation, repeated } = await asUser(deps, auth, (user) =>
          createGeneration(ctx, user, body, idempotency),
        );
        c.header('Location', `/v1/generations/${generation._id.toHexString()}`);
        if (repeated) c.header('Idempotency-Replayed', 'true');
        return c.json(generationOut(generation, originOf(c.req.url)), 201);
      },
    )
    .get(
      '/',
      describe({
        summary: 'Your generations',
        tags,
        answers: { 200: { description: 'Newest first.', schema: pageOf(generationSchema) } },
        errors: ['validation_failed', 'account_deleted'],
      }),
      query(generationsQuery),
      async (c) => {
        const { limit, cursor, ...filter } = c.req.valid('query');
        const after = positionOf(cursor, generationPosition);
        const found = await readAsUser(deps, c.var.auth, (userId) =>
          listGenerations(ctx, userId, { ...filter, after, limit: limit + 1 }),
        );
        const origin = originOf(c.req.url);
        return c.json(
          pageOut(
            found,
            limit,
            (generation) => generationOut(generation, origin),
            ({ createdAt, _id }) => [createdAt.toISOString(), _id.toHexString()],
          ),
        );
      },
    )
    .get(
      '/:id',
      describe({
        summary: 'One generation',
        tags,
        answers: { 200: { description: 'As it is now.', schema: generationSchema } },
        errors: ['validation_failed', 'not_found', 'account_deleted'],
      }),
      oneGeneration,
      query(noQuery),
      async (c) => {
        const { id } = c.req.valid('param');
        const generation = await readAsUser(deps, c.var.auth, (userId) => getGeneration(ctx, userId, id));
        return c.json(generationOut(generation, originOf(c.req.url)));
      },
    )
    .post(
      '/:id/cancel',
      describe({
        summary: 'Cancel a generation',
        description: 'Possible while it is pending; its credits are given back.',
        tags,
        answers: { 200: { description: 'Cancelled and refunded.', schema: generationSchema } },
        errors: ['validation_failed', 'not_found', 'account_deleted', 'invalid_transition'],
      }),
      oneGeneration,
      query(noQuery),
      emptyBody(),
      async (c) => {
        const userId = await userIdOf(deps, c.var.auth);
        const generation = await cancel(ctx, userId, c.req.valid('param').id);
        return c.json(generationOut(generation, originOf(c.req.url)));
      },
    )
    .delete(
      '/:id',
      describe({
        summary: 'Delete a generation',
        description: 'A pending one is cancelled and refunded first; one that is processing has to end first.',
        tags,
        answers: { 204: { description: 'Deleted.' } },
        errors: ['validation_failed', 'not_found', 'account_deleted', 'invalid_transition'],
      }),
      oneGeneration,
      query(noQuery),
      async (c) => {
        const userId = await userIdOf(deps, c.var.auth);
        await remove(ctx, userId, c.req.valid('param').id, { kind: 'user', id: c.var.auth.clerkUserId });
        return c.body(null, 204);
      },
    );
}
