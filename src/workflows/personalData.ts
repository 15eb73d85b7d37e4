import { Types } from 'mongoose';
import type { Actor } from '../domain/audit.ts';
import { ArtifexError, UserNotFoundError } from '../domain/errors.ts';
import { pictureNameOf } from '../domain/pictures.ts';
import { post, type UserReference } from '../models/statements/accounts.ts';
import { payObligation } from '../models/statements/obligations.ts';
import type { Store } from '../models/store.ts';
import type { User } from '../models/User.ts';
import { deleteUser } from '../repositories/accounts.ts';
import { recordAct } from '../repositories/audit.ts';
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
 * Erases what tells who the user is and what they made; the sums of the ledger stay, under a pseudonym. It may be cut off
 * anywhere and run again: the account is closed first, so that nothing new arrives, and loses its name last, so that it is
 * found again until all is done.
 *
 * @throws {UserNotFoundError}
 * @throws {ArtifexError} `conflict` while a subscription of Stripe's goes on, since it would be paid for on nobody's behalf
 */
export async function eraseUser(
  store: Store,
  reference: UserReference,
  { removePicture, actor }: ErasureOptions,
): Promise<void> {
  const user = await person(store, reference);
  const subscription = await store.models.Subscription.findByUserId(user._id);
  if (subscription?.stripeSubscriptionId && subscription.isActive()) {
    throw new ArtifexError('conflict', 'The user has a subscription. End it first, then erase the user.');
  }
  await deleteUser(store, { _id: user._id }, actor);
  await settle(store, [user._id]);
  await eraseEachGeneration(store, user._id, removePicture);
  await settle(store, [user._id]);
  await eraseReasons(store, user._id);
  await eraseTold(store, user);
  await eraseSubscriptions(store, user._id);
  await eraseWebhooks(store, user._id);
  const pseudonym = `erased_${user._id.toHexString()}`;
  await pseudonymizeActor(store, user.clerkUserId, pseudonym);
  const act = {
    action: 'user.erased',
    actor: actor.id === user.clerkUserId ? { ...actor, id: pseudonym } : actor,
  } as const;
  await post(store, { _id: user._id }, { id: new Types.ObjectId(), kind: 'erasure', pseudonym, act });
  await settle(store, [user._id]);
}

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
