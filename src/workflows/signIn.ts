import type { Types } from 'mongoose';
import { UserNotFoundError } from '../domain/errors.ts';
import type { Identities } from '../identity/identities.ts';
import type { ProfileSource } from '../identity/profiles.ts';
import type { UserReference } from '../models/statements/accounts.ts';
import { ensureUser, getUser, type Profile } from '../repositories/users.ts';
import type { Context } from './context.ts';

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
    await ensureUser(ctx, await completed(person, profiles));
    return action(reference);
  }
}

/**
 * The id of a session's user. For reads; whatever moves credits goes by {@link asUser}.
 *
 * @throws {ArtifexError} `account_deleted`
 */
export async function userIdOf(signIn: SignIn, person: Profile): Promise<Types.ObjectId> {
  const seen = signIn.identities.get(person.clerkUserId);
  if (seen) return seen;
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
