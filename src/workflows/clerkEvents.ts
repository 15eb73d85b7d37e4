import { z } from 'zod';
import type { Actor } from '../domain/audit.ts';
import { IDENTITY_EVENTS, identityVersion, isDeletion } from '../domain/identity.ts';
import type { Identity } from '../models/statements/posting/posting.ts';
import { deleteUser, restoreUser } from '../repositories/accounts.ts';
import {
  addUser,
  changeIdentity,
  identityOf,
  type KnownIdentity,
  keptIdentity,
  noteVersion,
} from '../repositories/identities.ts';
import type { Context } from './context.ts';
import type { ApplyEvent } from './inbox.ts';

const ACTOR: Actor = { kind: 'webhook', id: 'clerk' };

const eventSchema = z.object({
  type: z.enum(IDENTITY_EVENTS),
  subject: z.string(),
  occurredAt: z.date(),
  facts: z.object({ email: z.string().default(''), name: z.string().default('') }),
});

/** Somebody as Clerk tells of them. */
export interface Person {
  clerkUserId: string;
  /** The instant of the word, by Clerk's clock. */
  at: Date;
  identity: Identity;
}

/**
 * Applies Clerk's events. Each is one guarded write, ordered by Clerk's own instants: an older event never undoes what a newer one has done,
 * in whatever order they come (https://clerk.com/docs/guides/development/webhooks/overview).
 */
export function clerkEvents(ctx: Context): ApplyEvent {
  return async (event) => {
    const { type, subject, occurredAt, facts } = eventSchema.parse(event);
    const identity = { version: identityVersion(type, occurredAt), ...facts };
    const person = { clerkUserId: subject, at: occurredAt, identity };
    if (type === 'user.deleted') await deletePerson(ctx, person);
    else await knowPerson(ctx, person, { mayRestore: type === 'user.created' });
    return 'applied';
  };
}

/**
 * Makes the user equal to what Clerk says: a new one, or one whose address or name has changed. Who has signed up again after a deletion gets
 * the account back, with the quota that it had: by the sign-up, or by any newer word than Clerk's own of the deletion, since only who is
 * there again changes. So the newest word counts in whatever order they come. Nothing else revives one.
 */
export async function knowPerson(
  ctx: Context,
  { clerkUserId, at, identity }: Person,
  { mayRestore }: { mayRestore: boolean },
): Promise<'changed' | 'made' | 'restored' | 'old'> {
  for (;;) {
    if (await changeIdentity(ctx, clerkUserId, identity)) return 'changed';
    const known = await identityOf(ctx, clerkUserId);
    if (!known) {
      if (await addUser(ctx, clerkUserId, identity, { isDeleted: false })) return 'made';
      continue;
    }
    if (known.identityVersion >= identity.version) return 'old';
    // Restored meanwhile: begin again.
    if (!known.isDeleted) continue;
    if (!isDeletion(known.identityVersion) && !outlives(known, at, mayRestore)) return 'old';
    const restored = await restoreUser(ctx, { _id: known._id }, ACTOR, keptIdentity(identity));
    if (restored.result !== 'posted') continue;
    ctx.settler.notice(known._id);
    return 'restored';
  }
}

/** Who was deleted here, and not at Clerk, comes back by signing up after that alone. */
function outlives({ deletedAt }: KnownIdentity, at: Date, mayRestore: boolean): boolean {
  return mayRestore && !(deletedAt && at <= deletedAt);
}

/** Deletes the account. Of somebody who was never seen a deleted one stays behind, so that late word of their sign-up makes no user. */
async function deletePerson(ctx: Context, { clerkUserId, identity }: Person): Promise<void> {
  for (;;) {
    const known = await identityOf(ctx, clerkUserId);
    if (!known) {
      if (await addUser(ctx, clerkUserId, { ...identity, email: '', name: '' }, { isDeleted: true })) return;
      continue;
    }
    if (known.identityVersion >= identity.version) return;
    if (known.isDeleted) return noteVersion(ctx, clerkUserId, identity.version);
    const deleted = await deleteUser(ctx, { _id: known._id }, ACTOR, { version: identity.version });
    if (deleted.result === 'posted') return ctx.settler.notice(known._id);
  }
}
