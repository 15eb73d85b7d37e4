import { Hono } from 'hono';
import { z } from 'zod';
import { INBOX_STATES, WEBHOOK_SOURCES } from '../../domain/inbox.ts';
import type { UserEnv } from '../../middleware/context.ts';
import { describe } from '../../middleware/describe.ts';
import { emptyBody, params, query } from '../../middleware/validate.ts';
import { listEvents } from '../../repositories/inbox.ts';
import { replayWebhook } from '../../workflows/replayWebhook.ts';
import type { RouteDeps } from '../deps.ts';
import { eventIdSchema } from '../ids.ts';
import { pageOut, positionOf } from '../paging.ts';
import { noQuery, pageOf, pageQuery } from '../schemas.ts';
import { actorOf } from './actor.ts';
import { inboundEventOut, inboundEventSchema } from './inboundEvent.ts';

const webhooksQuery = z.strictObject({
  ...pageQuery.shape,
  state: z.enum(INBOX_STATES).optional(),
  source: z.enum(WEBHOOK_SOURCES).optional(),
});

const eventPosition = z
  .tuple([z.iso.datetime().transform((text) => new Date(text)), eventIdSchema])
  .transform(([receivedAt, id]) => ({ receivedAt, id }));

/** What Stripe and Clerk have told of, and what has become of it. */
export function adminWebhookRoutes({ ctx, inbox }: RouteDeps) {
  return new Hono<UserEnv>()
    .get(
      '/',
      describe({
        summary: 'Events of Stripe and Clerk',
        description:
          'Those that have come to their end are kept for 30 days. What an event says of anybody is not shown: `id` leads to it at its sender.',
        tags: ['admin'],
        answers: { 200: { description: 'Newest first.', schema: pageOf(inboundEventSchema) } },
      }),
      query(webhooksQuery),
      async (c) => {
        const { limit, cursor, ...filter } = c.req.valid('query');
        const found = await listEvents(ctx, { ...filter, after: positionOf(cursor, eventPosition), limit: limit + 1 });
        return c.json(pageOut(found, limit, inboundEventOut, ({ receivedAt, _id }) => [receivedAt.toISOString(), _id]));
      },
    )
    .post(
      '/:id/replay',
      describe({
        summary: 'Apply an event again',
        description:
          'It is due at once, as if it had just been received, whatever has become of it. Applying reads what is true now, and changes nothing where that is stored already. That it was asked for is written to the audit trail.',
        tags: ['admin'],
        answers: {
          200: { description: 'The event, which is applied behind this answer.', schema: inboundEventSchema },
        },
        errors: ['not_found'],
      }),
      params(z.object({ id: eventIdSchema })),
      query(noQuery),
      emptyBody(),
      async (c) => {
        const event = await replayWebhook(ctx, inbox, c.req.valid('param').id, actorOf(c.var.auth));
        return c.json(inboundEventOut(event));
      },
    );
}
