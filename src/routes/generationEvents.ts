import { Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import { uniqueSymbol } from 'hono-openapi';
import { z } from 'zod';
import { isFinal } from '../domain/lifecycle.ts';
import { isLater, parseVersion, type StateVersion, versionOf, versionText } from '../domain/moves.ts';
import type { UserEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { Refusal } from '../middleware/refusal.ts';
import { params, query } from '../middleware/validate.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';
import { getGeneration } from '../repositories/generations.ts';
import { type Following, followGeneration } from '../workflows/followGeneration.ts';
import { readAsUser } from '../workflows/signIn.ts';
import type { RouteDeps } from './deps.ts';
import { eventStream, eventText } from './eventStream.ts';
import { idSchema } from './ids.ts';
import { generationOut } from './representations.ts';
import { noQuery } from './schemas.ts';
import { createSlots } from './slots.ts';

/** Streams that one user may have open at once in one process. */
export const MOST_STREAMS = 100;

const eventsSchema = z.string().meta({
  id: 'GenerationEvents',
  description: 'Server-sent events `status`; the data of each is a Generation.',
  example:
    'retry: 1500\n\nevent: status\nid: 1-processing\ndata: {"id":"65f0c0ffee65f0c0ffee65f0","status":"processing"}\n\n',
});

/** Behind the authentication of the generations. */
export function generationEventRoutes(deps: RouteDeps) {
  const slots = createSlots(MOST_STREAMS);
  return new Hono<UserEnv>().get(
    '/:id/events',
    describe({
      summary: 'How a generation goes, as it goes',
      description:
        'The present state first, then one event for each change of the status; ends at a final one. Whoever was cut off sends ' +
        'the `id` of the latest event as `Last-Event-ID` and gets what came after it.',
      tags: ['generations'],
      answers: {
        200: { description: 'The events.', schema: eventsSchema, mediaType: 'text/event-stream' },
        204: { description: '`Last-Event-ID` names the final state: nothing will follow, so do not connect again.' },
      },
      errors: ['validation_failed', 'not_found', 'account_deleted', 'rate_limited'],
    }),
    params(z.object({ id: idSchema })),
    query(noQuery),
    lastEventId(),
    async (c) => {
      const { id } = c.req.valid('param');
      const { auth, lastSeen } = c.var;
      const release = slots.take(auth.clerkUserId);
      if (!release) {
        const advice = `You have ${MOST_STREAMS} event streams open; close one first.`;
        throw new Refusal('rate_limited', advice, { 'Retry-After': '5' });
      }
      try {
        let present: ImageGeneration | undefined;
        const read = async () => {
          present = await readAsUser(deps, auth, (userId) => getGeneration(deps.ctx, userId, id));
          return present;
        };
        const following = await followGeneration(deps.watch, id, { read, seen: lastSeen });
        if (present && lastSeen && isFinal(present.status) && !isLater(versionOf(present), lastSeen)) {
          following.stop();
          release();
          return c.body(null, 204);
        }
        // A connection that outlives its stream, since its client does not read, takes a place as long as it is there.
        const taken = c.env?.taken;
        const stopped = taken ? () => void taken().then(release) : release;
        return eventStream(c, statusEvents(following, new URL(c.req.url).origin, stopped), deps.streamTimes);
      } catch (error) {
        release();
        throw error;
      }
    },
  );
}

/** The changes of a generation as events, until a final one. */
function statusEvents(following: Following, origin: string, stopped: () => void) {
  let isEnded = false;
  return {
    async next(): Promise<string | null> {
      const states = isEnded ? null : await following.next();
      if (!states) return null;
      isEnded = states.some(({ status }) => isFinal(status));
      return states
        .map((state) =>
          eventText({ event: 'status', id: versionText(versionOf(state)), data: generationOut(state, origin) }),
        )
        .join('');
    },
    stop() {
      following.stop();
      stopped();
    },
  };
}

/** Reads `Last-Event-ID`. What is no id of ours is ignored: the present state says more than a refusal. */
function lastEventId() {
  const middleware = createMiddleware<{ Variables: UserEnv['Variables'] & { lastSeen: StateVersion | null } }>(
    async function readLastEventId(c, next) {
      c.set('lastSeen', parseVersion(c.req.header('Last-Event-ID') ?? ''));
      await next();
    },
  );
  return Object.assign(middleware, { [uniqueSymbol]: { spec: LAST_EVENT_ID_SPEC } });
}

const LAST_EVENT_ID_SPEC = {
  parameters: [
    {
      in: 'header',
      name: 'Last-Event-ID',
      description: 'The `id` of the latest event that has arrived.',
      schema: { type: 'string' as const },
    },
  ],
};
