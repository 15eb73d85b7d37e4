import { Types } from 'mongoose';
import { ArtifexError } from '../domain/errors.ts';
import { type DeliveryError, type DeliveryStatus, PING, WEBHOOK_LIMITS } from '../domain/webhooks.ts';
import { deliveriesOf } from '../models/collections.ts';
import { insertMissing } from '../models/duplicateKey.ts';
import type { Store } from '../models/store.ts';
import type { WebhookDelivery } from '../models/WebhookDelivery.ts';

/** A delivery that is due now. */
export function newDelivery(
  store: Store,
  event: Pick<WebhookDelivery, 'userId' | 'endpointId' | 'eventId' | 'type' | 'eventAt' | 'data'>,
): WebhookDelivery {
  const now = store.clock.now();
  return {
    _id: new Types.ObjectId(),
    ...event,
    status: 'pending',
    attempts: 0,
    tries: 0,
    nextAttemptAt: now,
    createdAt: now,
    expiresAt: new Date(now.getTime() + WEBHOOK_LIMITS.historyMs),
  };
}

/** Stores those whose event the endpoint does not have yet; returns how many were new. */
export async function insertDeliveries(store: Store, deliveries: WebhookDelivery[]): Promise<number> {
  if (deliveries.length === 0) return 0;
  const refused = await insertMissing(() => deliveriesOf(store).insertMany(deliveries, { ordered: false }));
  return deliveries.length - refused.length;
}

/** A ping of that endpoint: the same one again, when it is asked for twice in a short time. */
export async function ping(store: Store, userId: Types.ObjectId, endpointId: Types.ObjectId): Promise<WebhookDelivery> {
  const now = store.clock.now();
  const turn = Math.floor(now.getTime() / WEBHOOK_LIMITS.pingEveryMs);
  const eventId = `evt_${endpointId.toHexString()}${turn.toString(16)}`;
  await insertDeliveries(store, [newDelivery(store, { userId, endpointId, eventId, type: PING, eventAt: now })]);
  const pinged = await deliveriesOf(store).findOne({ endpointId, eventId });
  if (!pinged) throw new ArtifexError('conflict', 'The ping was removed while it was made. Ping again.');
  return pinged;
}

/** A place in a list of deliveries, newest first. */
export interface DeliveryPosition {
  createdAt: Date;
  id: Types.ObjectId;
}

export function listDeliveries(
  store: Store,
  endpointId: Types.ObjectId,
  {
    status,
    after,
    limit,
  }: { status?: DeliveryStatus | undefined; after?: DeliveryPosition | undefined; limit: number },
): Promise<WebhookDelivery[]> {
  const older = after && {
    createdAt: { $lte: after.createdAt },
    $or: [{ createdAt: { $lt: after.createdAt } }, { _id: { $lt: after.id } }],
  };
  return deliveriesOf(store)
    .find({ endpointId, ...(status && { status }), ...older }, { projection: { data: 0 } })
    .sort({ createdAt: -1, _id: -1 })
    .limit(limit)
    .toArray();
}

/**
 * Has an ended delivery sent again, with the same `webhook-id`, and tried as often as a new one.
 *
 * @throws {ArtifexError} `not_found`, or `conflict` while it has not ended
 */
export async function replayDelivery(
  store: Store,
  endpointId: Types.ObjectId,
  _id: Types.ObjectId,
): Promise<WebhookDelivery> {
  const now = store.clock.now();
  const replayed = await deliveriesOf(store).findOneAndUpdate(
    { _id, endpointId, status: { $in: ['succeeded', 'failed'] } },
    {
      $set: {
        status: 'pending',
        tries: 0,
        nextAttemptAt: now,
        expiresAt: new Date(now.getTime() + WEBHOOK_LIMITS.historyMs),
      },
      $unset: { endedAt: 1 },
    },
    { returnDocument: 'after' },
  );
  if (replayed) return replayed;
  const exists = await deliveriesOf(store).findOne({ _id, endpointId }, { projection: { _id: 1 } });
  if (!exists) throw new ArtifexError('not_found', 'There is no such delivery.');
  throw new ArtifexError('conflict', 'This delivery is still being tried; replay it when it has ended.');
}

/** A delivery that this process alone is to attempt, until its claim runs out. */
export type ClaimedDelivery = WebhookDelivery & Required<Pick<WebhookDelivery, 'claim' | 'nextAttemptAt'>>;

/**
 * The delivery that has been due for longest, of no user in `except`; null when none is.
 *
 * @returns with `nextAttemptAt` as it was: when it was due
 */
export async function claimDelivery(store: Store, except: readonly Types.ObjectId[]): Promise<ClaimedDelivery | null> {
  const now = store.clock.now();
  const claim = crypto.randomUUID();
  const before = await deliveriesOf(store).findOneAndUpdate(
    { nextAttemptAt: { $lte: now }, userId: { $nin: [...except] } },
    {
      $set: { claim, nextAttemptAt: new Date(now.getTime() + WEBHOOK_LIMITS.claimMs), lastAttemptAt: now },
      $inc: { attempts: 1, tries: 1 },
    },
    { sort: { nextAttemptAt: 1, userId: 1 }, returnDocument: 'before' },
  );
  if (!before) return null;
  const { attempts, tries, nextAttemptAt = now } = before;
  return { ...before, claim, nextAttemptAt, attempts: attempts + 1, tries: tries + 1, lastAttemptAt: now };
}

/** What an attempt has come to. */
export interface AttemptResult {
  lastStatus?: number | undefined;
  lastError?: DeliveryError | undefined;
}

/** How a delivery goes on: it has ended, or is tried again. */
export type Continuation = { status: 'succeeded' | 'failed' } | { status: 'pending'; nextAttemptAt: Date };

/**
 * Writes the result down, unless the claim has run out and another has taken over.
 *
 * @returns whether it was written
 */
export async function endAttempt(
  store: Store,
  { _id, claim }: ClaimedDelivery,
  { lastStatus, lastError }: AttemptResult,
  next: Continuation,
): Promise<boolean> {
  const isPending = next.status === 'pending';
  const { matchedCount } = await deliveriesOf(store).updateOne(
    { _id, claim },
    {
      $set: {
        ...next,
        ...(lastStatus !== undefined && { lastStatus }),
        ...(lastError !== undefined && { lastError }),
        ...(!isPending && { endedAt: store.clock.now() }),
      },
      $unset: {
        claim: 1,
        ...(!isPending && { nextAttemptAt: 1 as const }),
        ...(lastStatus === undefined && { lastStatus: 1 as const }),
        ...(lastError === undefined && { lastError: 1 as const }),
      },
    },
  );
  return matchedCount > 0;
}

/** As if it had not been attempted: for a process that has to stop. */
export async function giveDeliveryBack(store: Store, { _id, claim, nextAttemptAt }: ClaimedDelivery): Promise<void> {
  await deliveriesOf(store).updateOne(
    { _id, claim },
    { $set: { nextAttemptAt }, $inc: { attempts: -1, tries: -1 }, $unset: { claim: 1 } },
  );
}

/** Nobody is left to whom it could be sent. */
export async function dropDelivery(store: Store, { _id, claim }: ClaimedDelivery): Promise<void> {
  await deliveriesOf(store).deleteOne({ _id, claim });
}

/** Removes the history that is over; what is still to be sent stays. */
export async function removeOldDeliveries(store: Store): Promise<number> {
  const { deletedCount } = await deliveriesOf(store).deleteMany({
    expiresAt: { $lte: store.clock.now() },
    status: { $in: ['succeeded', 'failed'] },
  });
  return deletedCount;
}
