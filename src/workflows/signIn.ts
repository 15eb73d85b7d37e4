import type { Types } from 'mongoose';
import { UserNotFoundError } from '../domain/errors.ts';
import type { Identities } from '../identity/identities.ts';
import type { ProfileSource } from '../identity/profiles.ts';
import type { UserReference } from '../models/statements/accounts.ts';
import { getUser, isStillUser, type Profile } from '../repositories/users.ts';
import type { Context } from './context.ts';
import { welcome } from './persons.ts';

export interface SignIn {
  ctx: Context;
  identities: Identities;
  profiles: ProfileSource;
}

/**
 * Does something as the person of a session. Who is not known yet becomes a user first: Clerk promises no delivery of its
 * `user.created`, so a first request must not depend on it.
 *
 * @throws what `action` throws
 */
export async function asUser<Result>(
  { ctx, profiles }: SignIn,
  person: Profile,
  action: (user: UserReference) => Promise<Result>,
): Promise<Result> {
  const reference = { clerkUserId: person.clerkUserId };
  try {
    return await action(reference);
  } catch (error) {
    if (!(error instanceof UserNotFoundError)) throw error;
    await welcome(ctx, await completed(person, profiles));
    return action(reference);
  }
}

/**
 * Reads something of a session's user. Whether the account is still there is asked at the same time as the read, so that a deletion
 * holds at once in every process and costs no round trip more.
 *
 * @throws {ArtifexError} `account_deleted`, whatever `read` throws
 * @throws what `read` throws
 */
export async function readAsUser<Result>(
  signIn: SignIn,
  person: Profile,
  read: (userId: Types.ObjectId) => Promise<Result>,
): Promise<Result> {
  const known = signIn.identities.get(person.clerkUserId);
  if (!known) return read(await lookUp(signIn, person));
  const [check, found] = await Promise.allSettled([isStillUser(signIn.ctx, known, person.clerkUserId), read(known)]);
  if (check.status === 'rejected') throw check.reason;
  if (!check.value) return read(await lookUp(signIn, person));
  if (found.status === 'rejected') throw found.reason;
  return found.value;
}

/**
 * The id of a session's user, who was there a moment ago. For what changes something; whatever moves credits goes by {@link asUser}.
 *
 * @throws {ArtifexError} `account_deleted`
 */
export async function userIdOf(signIn: SignIn, person: Profile): Promise<Types.ObjectId> {
  const known = signIn.identities.get(person.clerkUserId);
  const isKnown = known && (await isStillUser(signIn.ctx, known, person.clerkUserId));
  return isKnown ? known : lookUp(signIn, person);
}

async function lookUp(signIn: SignIn, person: Profile): Promise<Types.ObjectId> {
  const { _id } = await asUser(signIn, person, (user) => getUser(signIn.ctx, user));
  signIn.identities.set(person.clerkUserId, _id);
  return _id;
}

async function completed(person: Profile, profiles: ProfileSource): Promise<Profile> {
  const { clerkUserId, email, name } = person;
  if (email !== undefined && name !== undefined) return person;
  const known = await profiles(clerkUserId);
  return { clerkUserId, email: email ?? known?.email, name: name ?? known?.name };
}
