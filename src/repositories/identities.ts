import { usersOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import type { Identity } from '../models/statements/posting/posting.ts';
import type { Store } from '../models/store.ts';
import { clipped } from '../models/text.ts';
import { MAX_NAME_LENGTH, type User } from '../models/User.ts';

/** What decides whether an event of Clerk's is news. */
export type KnownIdentity = Pick<User, '_id' | 'identityVersion' | 'isDeleted' | 'deletedAt'>;

const KNOWN = { identityVersion: 1, isDeleted: 1, deletedAt: 1 } as const;

export function identityOf(store: Store, clerkUserId: string): Promise<KnownIdentity | null> {
  return usersOf(store).findOne({ clerkUserId }, { projection: KNOWN });
}

/** A name as it is kept: Clerk takes longer ones. */
export const keptIdentity = ({ version, email, name }: Identity): Identity => ({
  version,
  email: email.trim().toLowerCase(),
  name: clipped(name, MAX_NAME_LENGTH).trim(),
});

/** @returns false when there is no such user, or newer word of them, or the account is deleted */
export async function changeIdentity(store: Store, clerkUserId: string, identity: Identity): Promise<boolean> {
  const { version, email, name } = keptIdentity(identity);
  const { matchedCount } = await usersOf(store).updateOne(
    { clerkUserId, isDeleted: false, identityVersion: { $not: { $gte: version } } },
    { $set: { identityVersion: version, email, name, updatedAt: store.clock.now() } },
  );
  return matchedCount === 1;
}

/** @returns false when the user was there already */
export async function addUser(
  store: Store,
  clerkUserId: string,
  identity: Identity,
  { isDeleted }: { isDeleted: boolean },
): Promise<boolean> {
  const { version, email, name } = keptIdentity(identity);
  const deletion = isDeleted ? { isDeleted, deletedAt: store.clock.now() } : {};
  try {
    await store.models.User.create({ clerkUserId, email, name, identityVersion: version, ...deletion });
    return true;
  } catch (error) {
    if (isDuplicateKey(error)) return false;
    throw error;
  }
}

/** Notes that a deleted user was deleted at Clerk as well, so that word from before does not bring them back. */
export async function noteVersion(store: Store, clerkUserId: string, version: number): Promise<void> {
  await usersOf(store).updateOne(
    { clerkUserId, identityVersion: { $not: { $gte: version } } },
    { $set: { identityVersion: version } },
  );
}
