import { Types } from 'mongoose';
import type { Actor } from '../domain/audit.ts';
import { ArtifexError, UserNotFoundError } from '../domain/errors.ts';
import { pictureNameOf } from '../domain/pictures.ts';
import { keptHashes } from '../models/identityHashes.ts';
import { post, type UserReference } from '../models/statements/accounts.ts';
import { payObligation } from '../models/statements/obligations.ts';
import type { Store } from '../models/store.ts';
import type { User } from '../models/User.ts';
import { deleteUser } from '../repositories/accounts.ts';
import { recordAct } from '../repositories/audit.ts';
import { owesEnding } from '../repositories/endings.ts';
import {
  eraseGenerations,
  eraseReasons,
  eraseSubscriptions,
  eraseTold,
  eraseWebhooks,
  findPerson,
  type PersonalData,
  personalDataOf,
  pseudonymizeActor,
  tellingGenerations,
} from '../repositories/personalData.ts';
import { settle } from '../repositories/settlement.ts';

const BATCH = 100;

export interface ErasureOptions {
  /** Removes a picture from storage. */
  removePicture: (name: string) => Promise<void>;
  actor: Actor;
}

/**
 * Erases what tells who the user is and what they made; the sums of the ledger stay, under a pseudonym, and so does a keyed hash of Clerk's
 * id: whoever comes back gets the account with the quota that it had. It may be cut off
 * anywhere and run again: the account is closed first, so that nothing new arrives, and loses its name last, so that it is
 * found again until all is done.
 *
 * @throws {UserNotFoundError}
 * @throws {ArtifexError} `conflict` while a subscription of Stripe's goes on, since it would be paid for on nobody's behalf; nothing is erased then
 */
export async function eraseUser(
  store: Store,
  reference: UserReference,
  { removePicture, actor }: ErasureOptions,
): Promise<void> {
  for (let user = await person(store, reference); !user.erasedAt; user = await person(store, { _id: user._id })) {
    await erasePerson(store, user, { removePicture, actor });
    await settle(store, [user._id]);
  }
}

/** Whoever comes back meanwhile has the account open again, and is erased by another round. */
async function erasePerson(store: Store, user: User, { removePicture, actor }: ErasureOptions): Promise<void> {
  const { _id, clerkUserId } = user;
  const subscription = await store.models.Subscription.findByUserId(_id);
  if (subscription?.stripeSubscriptionId && subscription.isActive()) {
    throw new ArtifexError('conflict', 'The user has a subscription. End it first, then erase the user.');
  }
  await deleteUser(store, { _id }, actor);
  await settle(store, [_id]);
  // Without Stripe's ids nobody could end it any more.
  if (await owesEnding(store, _id)) throw stillEnding();
  await eraseEachGeneration(store, _id, removePicture);
  await settle(store, [_id]);
  await eraseReasons(store, _id);
  await eraseTold(store, user);
  await eraseSubscriptions(store, _id);
  await eraseWebhooks(store, _id);
  const pseudonym = `erased_${_id.toHexString()}`;
  await pseudonymizeActor(store, clerkUserId, pseudonym);
  const act = { action: 'user.erased', actor: actor.id === clerkUserId ? { ...actor, id: pseudonym } : actor } as const;
  const identityHashes = await keptHashes(store, clerkUserId);
  const id = new Types.ObjectId();
  await post(store, { _id }, { id, kind: 'erasure', clerkUserId, pseudonym, identityHashes, act });
}

const stillEnding = () =>
  new ArtifexError('conflict', 'The subscription of the account is just being ended at Stripe. Try again in a minute.');

/** Everything that is kept about the user, deleted or not; the audit trail says that it was read. */
export async function exportUser(store: Store, reference: UserReference, actor: Actor): Promise<PersonalData> {
  const user = await person(store, reference);
  await settle(store, [user._id]);
  await recordAct(store, { action: 'user.exported', actor }, { model: 'User', id: user._id });
  return personalDataOf(store, await person(store, { _id: user._id }));
}

async function person(store: Store, reference: UserReference): Promise<User> {
  const user = await findPerson(store, reference);
  if (!user) throw new UserNotFoundError();
  return user;
}

async function eraseEachGeneration(
  store: Store,
  userId: Types.ObjectId,
  removePicture: ErasureOptions['removePicture'],
): Promise<void> {
  for (;;) {
    const readAt = store.clock.now();
    const telling = await tellingGenerations(store, userId, BATCH);
    if (telling.length === 0) return;
    const pictures = telling.flatMap(({ outputImages }) => outputImages.map(({ url }) => pictureNameOf(url)));
    // Pictures go before the generation that names them, so that none is left which nobody can find.
    for (const name of pictures) if (name !== null) await removePicture(name);
    const erased = await eraseGenerations(store, telling);
    for (const generation of erased) await payObligation(store, generation, readAt);
  }
}
