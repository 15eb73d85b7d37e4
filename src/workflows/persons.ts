import type { Types } from 'mongoose';
import type { Actor } from '../domain/audit.ts';
import { isDeletion } from '../domain/identity.ts';
import { accountDeleted } from '../models/statements/accounts.ts';
import type { Identity } from '../models/statements/posting/posting.ts';
import { deleteUser, restoreUser } from '../repositories/accounts.ts';
import {
  addUser,
  changeIdentity,
  comebackTo,
  identityOf,
  type KnownIdentity,
  noteDeletion,
} from '../repositories/identities.ts';
import type { Profile } from '../repositories/users.ts';
import type { Context } from './context.ts';

/** Somebody as Clerk tells of them. */
export interface Person {
  clerkUserId: string;
  /** The instant of which this is told, by Clerk's clock. */
  at: Date;
  identity: Identity;
}

/**
 * - `changed`, `made`, `restored`: the user is as Clerk says, by this call.
 * - `old`: there is newer word of them, or they were deleted here and have not signed up since.
 * - `erased`: the same of somebody of whom nothing may be kept.
 */
export type Known = 'changed' | 'made' | 'restored' | 'old' | 'erased';

/**
 * Makes the user equal to what Clerk says: a new one, or one whose address or name has changed. Who has signed up again after a deletion gets
 * the account back, with the quota that it had: by the sign-up, or by any newer word than Clerk's own of the deletion, since only who is
 * there again changes. So the newest word counts in whatever order they come. Nothing else revives one, and an erased one is revived by a
 * sign-up after the erasure alone.
 */
export async function knowPerson(
  ctx: Context,
  { clerkUserId, at, identity }: Person,
  { hasSignedUp, actor }: { hasSignedUp: boolean; actor: Actor },
): Promise<Known> {
  for (;;) {
    if (await changeIdentity(ctx, clerkUserId, identity)) return 'changed';
    const known = await identityOf(ctx, clerkUserId);
    if (!known) {
      if (await addUser(ctx, clerkUserId, identity, { isDeleted: false })) return 'made';
      continue;
    }
    const isOld = known.identityVersion >= identity.version;
    // Restored meanwhile: begin again.
    if (!known.isDeleted && !isOld) continue;
    if (isOld || !mayComeBack(known, hasSignedUp ? at : null)) return known.erasedAt ? 'erased' : 'old';
    if (await takeBack(ctx, known, clerkUserId, identity, actor)) return 'restored';
  }
}

/** @param signedUpAt null: nothing says that they have signed up */
function mayComeBack({ identityVersion, deletedAt, erasedAt }: KnownIdentity, signedUpAt: Date | null): boolean {
  if (erasedAt) return signedUpAt !== null && signedUpAt > erasedAt;
  if (isDeletion(identityVersion)) return true;
  // Who was deleted here, and not at Clerk, comes back by signing up after that alone.
  return signedUpAt !== null && !(deletedAt && signedUpAt <= deletedAt);
}

/** @returns false when the account is not any more as it was read */
async function takeBack(
  ctx: Context,
  known: KnownIdentity,
  clerkUserId: string,
  identity: Identity,
  actor: Actor,
): Promise<boolean> {
  const comeback = await comebackTo(ctx, known, clerkUserId, identity);
  const { result } = await restoreUser(ctx, { _id: known._id }, actor, comeback);
  if (result === 'posted') ctx.settler.notice(known._id);
  return result === 'posted';
}

/**
 * Makes a user of somebody who shows a token and is not known: Clerk promises no delivery of its `user.created`. Whoever loses a race takes
 * the winner's. Who was erased here, and is still at Clerk, has their account back with the quota that it had, since an erasure must be no
 * way to a fresh one.
 *
 * @throws {ArtifexError} `account_deleted` for somebody who was erased, and whom Clerk has deleted as well
 */
export async function welcome(ctx: Context, { clerkUserId, email = '', name = '' }: Profile): Promise<void> {
  for (;;) {
    if (await addUser(ctx, clerkUserId, { version: 0, email, name }, { isDeleted: false })) return;
    const known = await identityOf(ctx, clerkUserId);
    if (!known) continue;
    if (!known.erasedAt) return;
    if (isDeletion(known.identityVersion)) throw accountDeleted();
    const identity = { version: known.identityVersion, email, name };
    if (await takeBack(ctx, known, clerkUserId, identity, { kind: 'user', id: clerkUserId })) return;
  }
}

/** Deletes the account. Of somebody who was never seen a deleted one stays behind, so that late word of their sign-up makes no user. */
export async function deletePerson(
  ctx: Context,
  { clerkUserId, version, actor }: { clerkUserId: string; version: number; actor: Actor },
): Promise<'deleted' | 'old'> {
  for (;;) {
    const known = await identityOf(ctx, clerkUserId);
    if (!known) {
      if (await addUser(ctx, clerkUserId, { version, email: '', name: '' }, { isDeleted: true })) return 'deleted';
      continue;
    }
    if (known.identityVersion >= version) return 'old';
    if (await isEnded(ctx, known, version, actor)) return 'deleted';
  }
}

async function isEnded(ctx: Context, known: KnownIdentity, version: number, actor: Actor): Promise<boolean> {
  const { _id }: { _id: Types.ObjectId } = known;
  if (known.isDeleted) return noteDeletion(ctx, _id, version);
  const { result } = await deleteUser(ctx, { _id }, actor, { version });
  if (result === 'posted') ctx.settler.notice(_id);
  return result === 'posted';
}
