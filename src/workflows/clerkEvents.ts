import { z } from 'zod';
import type { Actor } from '../domain/audit.ts';
import { IDENTITY_EVENTS, identityVersion } from '../domain/identity.ts';
import { forgetFacts } from '../repositories/inbox.ts';
import type { Context } from './context.ts';
import type { ApplyEvent } from './inbox.ts';
import { deletePerson, knowPerson } from './persons.ts';

const ACTOR: Actor = { kind: 'webhook', id: 'clerk' };

const eventSchema = z.object({
  type: z.enum(IDENTITY_EVENTS),
  subject: z.string(),
  occurredAt: z.date(),
  facts: z.object({ email: z.string().default(''), name: z.string().default('') }),
});

/**
 * Applies Clerk's events. Each is one guarded write, ordered by Clerk's own instants: an older event never undoes what a newer one has done,
 * in whatever order they come (https://clerk.com/docs/guides/development/webhooks/overview). What is told of somebody who was erased is
 * forgotten.
 */
export function clerkEvents(ctx: Context): ApplyEvent {
  return async (event) => {
    // It was forgotten, and is replayed.
    if (event.subject === undefined) return 'ignored';
    const { type, subject: clerkUserId, occurredAt: at, facts } = eventSchema.parse(event);
    const version = identityVersion(type, at);
    if (type === 'user.deleted') {
      await deletePerson(ctx, { clerkUserId, version, actor: ACTOR });
      return 'applied';
    }
    const person = { clerkUserId, at, identity: { version, ...facts } };
    const known = await knowPerson(ctx, person, { hasSignedUp: type === 'user.created', actor: ACTOR });
    if (known !== 'erased') return 'applied';
    await forgetFacts(ctx, event._id);
    return 'ignored';
  };
}
