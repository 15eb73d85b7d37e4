import type { Types } from 'mongoose';
import type { Actor } from '../domain/audit.ts';
import { ArtifexError } from '../domain/errors.ts';
import { newSigningSecret, rotatedSecrets } from '../domain/webhookSignature.ts';
import { type DisabledReason, WEBHOOK_LIMITS, type WebhookEvent } from '../domain/webhooks.ts';
import { endpointsOf, usersOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import { deletion } from '../models/plugins/softDelete.ts';
import { openAct } from '../models/statements/acts.ts';
import type { Store } from '../models/store.ts';
import type { WebhookEndpoint } from '../models/WebhookEndpoint.ts';

/** What its owner says of an endpoint. */
export interface EndpointRequest {
  url: string;
  events: WebhookEvent[];
  enabled: boolean;
}

/** An endpoint, and the secret that was made with it. */
export interface WithSecret {
  endpoint: WebhookEndpoint;
  secret: string;
}

/** Who writes, and where they have reached this server. */
export interface EndpointWriter {
  actor: Actor;
  origin: string;
}

/** Whoever sends events disables what does not take them. */
const COURIER: Actor = Object.freeze({ kind: 'job', id: 'courier' });

/** @throws {ArtifexError} `conflict` when the user has as many as there may be */
export async function createEndpoint(
  store: Store,
  userId: Types.ObjectId,
  { url, events, enabled }: EndpointRequest,
  { actor, origin }: EndpointWriter,
): Promise<WithSecret> {
  const secret = newSigningSecret();
  for (;;) {
    const now = store.clock.now();
    const slot = await freeSlot(store, userId);
    const draft = new store.models.WebhookEndpoint({
      ...{ userId, slot, url, events, enabled, origin, createdAt: now, updatedAt: now },
      ...(!enabled && { disabledReason: 'owner', disabledAt: now }),
      secrets: [{ secret }],
      openActs: [openAct({ action: 'webhook_endpoint.created', actor, detail: { events, enabled } }, now)],
    });
    await draft.validate();
    const endpoint: WebhookEndpoint = draft.toObject();
    try {
      await endpointsOf(store).insertOne({ ...endpoint });
      return { endpoint, secret };
    } catch (error) {
      // Somebody took the place in the meantime: there may be another.
      if (!isDuplicateKey(error)) throw error;
    }
  }
}

async function freeSlot(store: Store, userId: Types.ObjectId): Promise<number> {
  const { endpointsPerUser } = WEBHOOK_LIMITS;
  const taken = await endpointsOf(store)
    .find({ userId, isDeleted: false }, { projection: { slot: 1 } })
    .toArray();
  const slots = new Set(taken.map(({ slot }) => slot));
  const all = Array.from({ length: endpointsPerUser }, (_, slot) => slot);
  const free = all.find((slot) => !slots.has(slot));
  if (free !== undefined) return free;
  throw new ArtifexError('conflict', `You have ${endpointsPerUser} endpoints, which is the most. Delete one first.`);
}

/** All of a user's, newest first: never more than a handful. */
export async function listEndpoints(store: Store, userId: Types.ObjectId): Promise<WebhookEndpoint[]> {
  return await endpointsOf(store).find({ userId, isDeleted: false }).sort({ createdAt: -1, _id: -1 }).toArray();
}

/** @throws {ArtifexError} `not_found`, also when it is another user's or was deleted */
export async function getEndpoint(store: Store, userId: Types.ObjectId, _id: Types.ObjectId): Promise<WebhookEndpoint> {
  const endpoint = await endpointsOf(store).findOne({ _id, userId, isDeleted: false });
  if (!endpoint) throw endpointNotFound();
  return endpoint;
}

/** Changes what is given. Who enables it, or gives it another address, starts its count of failures anew. */
export async function changeEndpoint(
  store: Store,
  userId: Types.ObjectId,
  _id: Types.ObjectId,
  { enabled, ...changes }: Partial<EndpointRequest>,
  { actor, origin }: EndpointWriter,
): Promise<WebhookEndpoint> {
  const now = store.clock.now();
  const isAnew = enabled === true || changes.url !== undefined;
  // Addresses are secrets: that there is another one is all that is told.
  const detail = {
    ...(changes.url !== undefined && { url: 'another' }),
    ...(changes.events && { events: changes.events }),
    ...(enabled !== undefined && { enabled }),
  };
  const changed = await endpointsOf(store).findOneAndUpdate(
    { _id, userId, isDeleted: false },
    {
      $set: {
        ...changes,
        origin,
        updatedAt: now,
        ...(enabled !== undefined && { enabled }),
        ...(enabled === false && { disabledReason: 'owner' as const, disabledAt: now }),
        ...(isAnew && { failedDeliveries: [] }),
      },
      $inc: { revision: 1 },
      $push: { openActs: openAct({ action: 'webhook_endpoint.changed', actor, detail }, now) },
      ...(enabled === true && { $unset: { disabledReason: 1 as const, disabledAt: 1 as const } }),
    },
    { returnDocument: 'after' },
  );
  if (!changed) throw endpointNotFound();
  return changed;
}

/** Deletes it softly; its address and its secrets are gone at once. */
export async function deleteEndpoint(
  store: Store,
  userId: Types.ObjectId,
  _id: Types.ObjectId,
  actor: Actor,
): Promise<void> {
  const now = store.clock.now();
  const { matchedCount } = await endpointsOf(store).updateOne(
    { _id, userId, isDeleted: false },
    {
      $set: { ...deletion(store.clock), updatedAt: now, enabled: false, url: '', secrets: [] },
      $inc: { revision: 1 },
      $push: { openActs: openAct({ action: 'webhook_endpoint.deleted', actor }, now) },
    },
  );
  if (matchedCount === 0) throw endpointNotFound();
}

/**
 * A new secret; the one before signs for another day.
 *
 * @throws {ArtifexError} `conflict` when too many old ones still sign
 */
export async function rotateSecret(
  store: Store,
  userId: Types.ObjectId,
  _id: Types.ObjectId,
  actor: Actor,
): Promise<WithSecret> {
  const secret = newSigningSecret();
  for (;;) {
    const now = store.clock.now();
    const { secrets: read, revision } = await getEndpoint(store, userId, _id);
    const secrets = rotatedSecrets(read, secret, now);
    if (!secrets) {
      throw new ArtifexError('conflict', 'The secret was replaced too often. Wait until old ones have run out.');
    }
    const endpoint = await endpointsOf(store).findOneAndUpdate(
      { _id, userId, isDeleted: false, revision },
      {
        $set: { secrets, updatedAt: now },
        $inc: { revision: 1 },
        $push: { openActs: openAct({ action: 'webhook_endpoint.secret_rotated', actor }, now) },
      },
      { returnDocument: 'after' },
    );
    // Else it was changed since it was read: look again.
    if (endpoint) return { endpoint, secret };
  }
}

/** The endpoints of these users that take events. */
export function listeningEndpoints(store: Store, userIds: readonly Types.ObjectId[]): Promise<Listening[]> {
  return endpointsOf(store)
    .find<Listening>(
      { userId: { $in: [...userIds] }, isDeleted: false, enabled: true },
      { projection: { userId: 1, events: 1, createdAt: 1 } },
    )
    .toArray();
}

export type Listening = Pick<WebhookEndpoint, '_id' | 'userId' | 'events' | 'createdAt'>;

/** Which of these users are not deleted, by the hex of their ids. */
export async function presentUsers(store: Store, userIds: readonly Types.ObjectId[]): Promise<Set<string>> {
  const present = await usersOf(store)
    .find({ _id: { $in: [...userIds] }, isDeleted: false }, { projection: { _id: 1 } })
    .toArray();
  return new Set(present.map(({ _id }) => _id.toHexString()));
}

/** The endpoint of a delivery, deleted or not; null once it is gone for good. */
export async function findEndpoint(store: Store, _id: Types.ObjectId): Promise<WebhookEndpoint | null> {
  return await endpointsOf(store).findOne({ _id });
}

/** Its receiver is there again. */
export async function forgiveEndpoint(store: Store, _id: Types.ObjectId): Promise<void> {
  await endpointsOf(store).updateOne({ _id }, { $set: { failedDeliveries: [] } });
}

/** Nothing more is sent, until its owner enables it. Whoever has disabled it before gave the reason. */
export async function disableEndpoint(store: Store, _id: Types.ObjectId, reason: DisabledReason): Promise<boolean> {
  const now = store.clock.now();
  const { modifiedCount } = await endpointsOf(store).updateOne(
    { _id, enabled: true },
    {
      $set: { enabled: false, disabledReason: reason, disabledAt: now, updatedAt: now },
      $inc: { revision: 1 },
      $push: { openActs: openAct({ action: 'webhook_endpoint.disabled', actor: COURIER, detail: { reason } }, now) },
    },
  );
  return modifiedCount > 0;
}

/**
 * Counts a delivery that failed in every attempt, once however often it is told; the last that is borne disables the endpoint.
 *
 * @returns whether it was disabled by this
 */
export async function countFailedDelivery(
  store: Store,
  _id: Types.ObjectId,
  deliveryId: Types.ObjectId,
): Promise<boolean> {
  const counted = await endpointsOf(store).findOneAndUpdate(
    { _id, enabled: true },
    { $addToSet: { failedDeliveries: deliveryId } },
    { returnDocument: 'after', projection: { failedDeliveries: 1 } },
  );
  if (!counted || counted.failedDeliveries.length < WEBHOOK_LIMITS.failuresBeforeDisabled) return false;
  return disableEndpoint(store, _id, 'failing');
}

/** Removes for good what its owner has deleted long ago, once the audit trail has all that was done to it. */
export async function removeDeletedEndpoints(store: Store, deletedBefore: Date): Promise<number> {
  const { deletedCount } = await endpointsOf(store).deleteMany({
    deletedAt: { $lt: deletedBefore },
    isDeleted: true,
    openActs: { $exists: false },
  });
  return deletedCount;
}

function endpointNotFound(): ArtifexError {
  return new ArtifexError('not_found', 'There is no such endpoint.');
}
