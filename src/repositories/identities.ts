import type { Types } from 'mongoose';
import { ArtifexError } from '../domain/errors.ts';
import { usersOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import { searchedHashes } from '../models/identityHashes.ts';
import type { Comeback, Identity } from '../models/statements/posting/posting.ts';
import type { Store } from '../models/store.ts';
import { clipped } from '../models/text.ts';
import { MAX_NAME_LENGTH, type User } from '../models/User.ts';

/** What decides whether an event of Clerk's is news. */
export type KnownIdentity = Pick<User, '_id' | 'identityVersion' | 'isDeleted' | 'deletedAt' | 'erasedAt'>;

const KNOWN = { clerkUserId: 1, identityVersion: 1, isDeleted: 1, deletedAt: 1, erasedAt: 1 } as const;

/**
 * What is known of whoever has that Clerk id, or had it when they were erased.
 *
 * @throws {ArtifexError} `conflict` when the user who had it was given another one by hand
 */
export async function identityOf(store: Store, clerkUserId: string): Promise<KnownIdentity | null> {
  const known = await usersOf(store).findOne({ clerkUserId }, { projection: KNOWN });
  if (known) return known;
  const identityHashes = { $in: await searchedHashes(store, clerkUserId) };
  const former = await usersOf(store).findOne({ identityHashes }, { projection: KNOWN });
  if (former && !former.erasedAt && former.clerkUserId !== clerkUserId) {
    throw new ArtifexError('conflict', 'The user with this Clerk id was given another one.');
  }
  return former;
}

/** The return of somebody to the account that was read. */
export async function comebackTo(
  store: Store,
  { identityVersion, erasedAt = null }: KnownIdentity,
  clerkUserId: string,
  identity: Identity,
): Promise<Comeback> {
  const identityHashes = await searchedHashes(store, clerkUserId);
  return { ...keptIdentity(identity), clerkUserId, identityHashes, asRead: { identityVersion, erasedAt } };
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

/**
 * Notes that a deleted user was deleted at Clerk as well, so that word from before does not bring them back.
 *
 * @returns false when they are back, or there is newer word of them
 */
export async function noteDeletion(store: Store, _id: Types.ObjectId, version: number): Promise<boolean> {
  const { matchedCount } = await usersOf(store).updateOne(
    { _id, isDeleted: true, identityVersion: { $not: { $gte: version } } },
    { $set: { identityVersion: version } },
  );
  return matchedCount === 1;
}
