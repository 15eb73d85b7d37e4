import { Hono } from 'hono';
import type { Types } from 'mongoose';
import { z } from 'zod';
import { ArtifexError, ValidationFailedError } from '../domain/errors.ts';
import { DELIVERY_STATUSES } from '../domain/webhooks.ts';
import { webhookUrlProblem } from '../domain/webhookUrl.ts';
import { authenticate } from '../middleware/auth.ts';
import type { Auth, UserEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { emptyBody, jsonBody, params, query } from '../middleware/validate.ts';
import type { WebhookDelivery } from '../models/WebhookDelivery.ts';
import { listDeliveries, ping, replayDelivery } from '../repositories/webhookDeliveries.ts';
import {
  changeEndpoint,
  createEndpoint,
  deleteEndpoint,
  getEndpoint,
  listEndpoints,
  rotateSecret,
} from '../repositories/webhookEndpoints.ts';
import { readAsUser, userIdOf } from '../workflows/signIn.ts';
import type { RouteDeps } from './deps.ts';
import { idSchema } from './ids.ts';
import { pageOut, positionOf } from './paging.ts';
import { noQuery, pageOf, pageQuery } from './schemas.ts';
import {
  deliveryOut,
  deliverySchema,
  endpointChangesSchema,
  endpointOut,
  endpointRequestSchema,
  endpointSchema,
  endpointWithSecretOut,
  endpointWithSecretSchema,
} from './webhookRepresentations.ts';

const tags = ['webhook endpoints'];
const oneEndpoint = params(z.object({ id: idSchema }));
const oneDelivery = params(z.object({ id: idSchema, deliveryId: idSchema }));
const errors = ['validation_failed', 'not_found', 'account_deleted'] as const;

const deliveriesQuery = z.strictObject({ ...pageQuery.shape, status: z.enum(DELIVERY_STATUSES).optional() });

const position = z
  .tuple([z.iso.datetime().transform((text) => new Date(text)), idSchema])
  .transform(([createdAt, id]) => ({ createdAt, id }));

export function webhookEndpointRoutes(deps: RouteDeps) {
  const { ctx, webhooks } = deps;

  function checkUrl(url: string | undefined): void {
    const problem = url === undefined ? null : webhookUrlProblem(url, webhooks);
    if (problem !== null) throw new ValidationFailedError([{ path: 'url', message: problem }]);
  }

  const actorOf = ({ clerkUserId }: Auth) => ({ kind: 'user', id: clerkUserId }) as const;
  const writerOf = (auth: Auth, url: string) => ({ actor: actorOf(auth), origin: new URL(url).origin });

  async function enabledEndpoint(auth: Auth, id: Types.ObjectId) {
    const endpoint = await getEndpoint(ctx, await userIdOf(deps, auth), id);
    if (!endpoint.enabled) throw new ArtifexError('conflict', 'The endpoint is disabled. Enable it first.');
    return endpoint;
  }

  function onItsWay(delivery: WebhookDelivery) {
    ctx.courier.wake();
    return deliveryOut(delivery);
  }

  return new Hono<UserEnv>()
    .use(authenticate(deps.sessions))
    .post(
      '/',
      describe({
        summary: 'Be told of events',
        description: 'Events are signed by the scheme of Standard Webhooks (https://www.standardwebhooks.com).',
        tags,
        answers: {
          201: {
            description: 'With the secret that verifies signatures, which is never shown again.',
            schema: endpointWithSecretSchema,
            headers: { Location: 'Where the endpoint is.' },
          },
        },
        errors: ['account_deleted', 'conflict'],
      }),
      query(noQuery),
      jsonBody(endpointRequestSchema),
      async (c) => {
        const body = c.req.valid('json');
        checkUrl(body.url);
        const { auth } = c.var;
        const userId = await userIdOf(deps, auth);
        const { endpoint, secret } = await createEndpoint(ctx, userId, body, writerOf(auth, c.req.url));
        c.header('Location', `/v1/webhook-endpoints/${endpoint._id.toHexString()}`);
        return c.json(endpointWithSecretOut(endpoint, secret), 201);
      },
    )
    .get(
      '/',
      describe({
        summary: 'Your endpoints',
        tags,
        answers: { 200: { description: 'Newest first.', schema: pageOf(endpointSchema) } },
        errors: ['validation_failed', 'account_deleted'],
      }),
      query(pageQuery),
      async (c) => {
        const { limit, cursor } = c.req.valid('query');
        const after = positionOf(cursor, position);
        const all = await readAsUser(deps, c.var.auth, (userId) => listEndpoints(ctx, userId));
        const older = all.filter(({ createdAt, _id }) => {
          if (!after || createdAt < after.createdAt) return true;
          return createdAt.getTime() === after.createdAt.getTime() && _id.toHexString() < after.id.toHexString();
        });
        return c.json(pageOut(older, limit, endpointOut, placeOf));
      },
    )
    .get(
      '/:id',
      describe({
        summary: 'One endpoint',
        tags,
        answers: { 200: { description: 'As it is now.', schema: endpointSchema } },
        errors,
      }),
      oneEndpoint,
      query(noQuery),
      async (c) => {
        const { id } = c.req.valid('param');
        return c.json(endpointOut(await readAsUser(deps, c.var.auth, (userId) => getEndpoint(ctx, userId, id))));
      },
    )
    .patch(
      '/:id',
      describe({
        summary: 'Change an endpoint',
        description: 'What is left out stays as it is. Enabling it, or another address, forgets its failures.',
        tags,
        answers: { 200: { description: 'Changed.', schema: endpointSchema } },
        errors: ['not_found', 'account_deleted'],
      }),
      oneEndpoint,
      query(noQuery),
      jsonBody(endpointChangesSchema),
      async (c) => {
        const changes = c.req.valid('json');
        checkUrl(changes.url);
        const { auth } = c.var;
        const userId = await userIdOf(deps, auth);
        const { id } = c.req.valid('param');
        return c.json(endpointOut(await changeEndpoint(ctx, userId, id, changes, writerOf(auth, c.req.url))));
      },
    )
    .delete(
      '/:id',
      describe({
        summary: 'Delete an endpoint',
        description: 'Nothing more is sent, also not what was still to be tried again.',
        tags,
        answers: { 204: { description: 'Deleted.' } },
        errors,
      }),
      oneEndpoint,
      query(noQuery),
      async (c) => {
        const { auth } = c.var;
        await deleteEndpoint(ctx, await userIdOf(deps, auth), c.req.valid('param').id, actorOf(auth));
        return c.body(null, 204);
      },
    )
    .post(
      '/:id/secret/rotate',
      describe({
        summary: 'Replace the secret',
        description: 'The one before signs beside it for another 24 hours, so that no event is refused meanwhile.',
        tags,
        answers: { 200: { description: 'With the new secret.', schema: endpointWithSecretSchema } },
        errors: [...errors, 'conflict'],
      }),
      oneEndpoint,
      query(noQuery),
      emptyBody(),
      async (c) => {
        const { auth } = c.var;
        const userId = await userIdOf(deps, auth);
        const { endpoint, secret } = await rotateSecret(ctx, userId, c.req.valid('param').id, actorOf(auth));
        return c.json(endpointWithSecretOut(endpoint, secret));
      },
    )
    .post(
      '/:id/ping',
      describe({
        summary: 'Send a test event',
        description: 'A `webhook.ping`, whatever the endpoint subscribes to; one in ten seconds.',
        tags,
        answers: { 202: { description: 'On its way.', schema: deliverySchema } },
        errors: [...errors, 'conflict'],
      }),
      oneEndpoint,
      query(noQuery),
      emptyBody(),
      async (c) => {
        const { _id, userId } = await enabledEndpoint(c.var.auth, c.req.valid('param').id);
        return c.json(onItsWay(await ping(ctx, userId, _id)), 202);
      },
    )
    .get(
      '/:id/deliveries',
      describe({
        summary: 'What was sent to an endpoint',
        description: 'Kept for 30 days.',
        tags,
        answers: { 200: { description: 'Newest first.', schema: pageOf(deliverySchema) } },
        errors,
      }),
      oneEndpoint,
      query(deliveriesQuery),
      async (c) => {
        const { limit, cursor, status } = c.req.valid('query');
        const after = positionOf(cursor, position);
        const found = await readAsUser(deps, c.var.auth, async (userId) => {
          const { _id } = await getEndpoint(ctx, userId, c.req.valid('param').id);
          return listDeliveries(ctx, _id, { status, after, limit: limit + 1 });
        });
        return c.json(pageOut(found, limit, deliveryOut, placeOf));
      },
    )
    .post(
      '/:id/deliveries/:deliveryId/replay',
      describe({
        summary: 'Send a delivery again',
        description: 'With the same `webhook-id`, and tried as often as a new one. For a delivery that has ended.',
        tags,
        answers: { 202: { description: 'On its way.', schema: deliverySchema } },
        errors: [...errors, 'conflict'],
      }),
      oneDelivery,
      query(noQuery),
      emptyBody(),
      async (c) => {
        const { id, deliveryId } = c.req.valid('param');
        const { _id } = await enabledEndpoint(c.var.auth, id);
        return c.json(onItsWay(await replayDelivery(ctx, _id, deliveryId)), 202);
      },
    );
}

const placeOf = ({ createdAt, _id }: { createdAt: Date; _id: { toHexString(): string } }) =>
  [createdAt.toISOString(), _id.toHexString()] as const;
