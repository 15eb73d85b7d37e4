import type { Types } from 'mongoose';
import { UserNotFoundError } from '../domain/errors.ts';
import type { SubscriptionTier } from '../domain/tiers.ts';
import { usersOf } from '../models/collections.ts';
import { accountDeleted, type UserReference } from '../models/statements/accounts.ts';
import type { Store } from '../models/store.ts';
import type { User, UserPreferences, UserSettings } from '../models/User.ts';

/** What is known of a person who signs in for the first time. */
export interface Profile {
  clerkUserId: string;
  email?: string | undefined;
  name?: string | undefined;
}

/**
 * @throws {UserNotFoundError} when there is no such user
 * @throws {ArtifexError} `account_deleted`
 */
export async function getUser(store: Store, reference: UserReference): Promise<User> {
  const user = await usersOf(store).findOne(reference, { projection: { openEntries: 0 } });
  if (!user) throw new UserNotFoundError();
  if (user.isDeleted) throw accountDeleted();
  return user;
}

/** What people choose for themselves. */
export interface ProfileChanges {
  name?: string;
  preferences?: Partial<UserPreferences>;
  settings?: Partial<UserSettings>;
}

/**
 * Changes what is named and leaves the rest as it is, also where somebody else changes another field at the same time.
 *
 * @throws {UserNotFoundError} when there is no such user
 * @throws {ArtifexError} `account_deleted`
 */
export async function changeProfile(store: Store, reference: UserReference, changes: ProfileChanges): Promise<User> {
  const { name, preferences = {}, settings = {} } = changes;
  const named = {
    ...(name !== undefined && { name }),
    ...fieldsUnder('preferences', preferences),
    ...fieldsUnder('settings', settings),
  };
  if (Object.keys(named).length === 0) return getUser(store, reference);
  for (;;) {
    const changed = await usersOf(store).findOneAndUpdate(
      { ...reference, isDeleted: false },
      { $set: { ...named, updatedAt: store.clock.now() } },
      { returnDocument: 'after', projection: { openEntries: 0 } },
    );
    if (changed) return changed;
    // Says why nothing was changed, unless the account has been restored meanwhile.
    await getUser(store, reference);
  }
}

function fieldsUnder(path: 'preferences' | 'settings', fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [`${path}.${field}`, value]));
}

/**
 * The user of that id, deleted or not.
 *
 * @throws {UserNotFoundError}
 */
export async function getAnyUser(store: Store, _id: Types.ObjectId): Promise<User> {
  const user = await usersOf(store).findOne({ _id }, { projection: { openEntries: 0 } });
  if (!user) throw new UserNotFoundError();
  return user;
}

export interface UserFilter {
  /** As it is stored: without blanks around it, in small letters. */
  email?: string | undefined;
  tier?: SubscriptionTier | undefined;
}

/** A place in a list of users, newest first. */
export interface UserPosition {
  createdAt: Date;
  id: Types.ObjectId;
}

/** A page of all users, deleted ones too, newest first, which sign-ups do not shift. */
export function listUsers(
  store: Store,
  { email, tier, after, limit }: UserFilter & { after?: UserPosition | undefined; limit: number },
): Promise<User[]> {
  const older = after && {
    createdAt: { $lte: after.createdAt },
    $or: [{ createdAt: { $lt: after.createdAt } }, { _id: { $lt: after.id } }],
  };
  return usersOf(store)
    .find(
      { ...(email !== undefined && { email }), ...(tier && { subscriptionTier: tier }), ...older },
      { projection: { openEntries: 0 } },
    )
    .sort({ createdAt: -1, _id: -1 })
    .limit(limit)
    .toArray();
}

/**
 * Whether the user of that id is still the one of that Clerk id: an erasure parts the two, and removed seeds come back under other ids.
 *
 * @throws {ArtifexError} `account_deleted`
 */
export async function isStillUser(store: Store, _id: Types.ObjectId, clerkUserId: string): Promise<boolean> {
  const user = await usersOf(store).findOne({ _id }, { projection: { _id: 0, clerkUserId: 1, isDeleted: 1 } });
  if (user?.clerkUserId !== clerkUserId) return false;
  if (user.isDeleted) throw accountDeleted();
  return true;
}
