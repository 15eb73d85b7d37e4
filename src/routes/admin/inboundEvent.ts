import { z } from 'zod';
import { INBOX_STATES, WEBHOOK_SOURCES } from '../../domain/inbox.ts';
import { WEBHOOK_OUTCOMES } from '../../models/WebhookEvent.ts';
import type { EventNote } from '../../repositories/inbox.ts';
import { readable, represent } from '../permitted.ts';
import { instantSchema } from '../schemas.ts';

/** How an event of Stripe or Clerk looks to administrators: what has become of it, and nothing of what it says. */
export const inboundEventSchema = readable(
  { resource: 'WebhookEvent', by: 'admin', id: 'InboundEvent' },
  {
    id: z.string().describe("The source and the sender's own id, such as `stripe:evt_1`."),
    source: z.enum(WEBHOOK_SOURCES),
    type: z.string().describe("In the sender's words."),
    state: z
      .enum(INBOX_STATES)
      .describe(
        '`open`: to be applied; `stuck`: tried often in vain, and tried on; `waiting`: for its user to appear; `ended`: applied, or given up.',
      ),
    attempts: z.int().nonnegative(),
    failure: z.string().nullable().describe('Why it could not be applied the last time.'),
    outcome: z
      .enum(WEBHOOK_OUTCOMES)
      .nullable()
      .describe('Of an ended one. `expired`: the user whom it is about never appeared.'),
    receivedAt: instantSchema,
    occurredAt: instantSchema.describe("By the sender's clock."),
    dueAt: instantSchema
      .nullable()
      .describe('When it is tried next; while it is tried, when that attempt counts as lost.'),
    endedAt: instantSchema.nullable(),
  },
);

export function inboundEventOut(event: EventNote): z.input<typeof inboundEventSchema> {
  return represent(inboundEventSchema, {
    id: event._id,
    source: event.source,
    type: event.type,
    state: event.state,
    attempts: event.attempts,
    failure: event.failure ?? null,
    outcome: event.outcome ?? null,
    receivedAt: event.receivedAt.toISOString(),
    occurredAt: event.occurredAt.toISOString(),
    dueAt: event.dueAt?.toISOString() ?? null,
    endedAt: event.endedAt?.toISOString() ?? null,
  });
}
