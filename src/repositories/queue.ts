import type { Types } from 'mongoose';
import { ArtifexError } from '../domain/errors.ts';
import { GENERATION_LIMITS, type ImageGenerationType } from '../domain/generation.ts';
import { CLOCK_TOLERANCE_MS } from '../domain/ledger.ts';
import { generationsOf } from '../models/collections.ts';
import { type ImageGeneration, OBLIGATIONS, type OutputImage } from '../models/ImageGeneration.ts';
import { begun, completed, failed, movedTo, owedRefund } from '../models/statements/moves.ts';
import type { Store } from '../models/store.ts';
import { generationNotFound } from './generations.ts';

/** The worker's side of a generation. A worker acts under the token of its lease; a lease that has ended moves nothing. */
export interface Claim {
  workerId: string;
  /** Seconds without a heartbeat after which the worker counts as dead. */
  leaseSeconds: number;
  types?: readonly ImageGenerationType[] | undefined;
}

export type Leased = ImageGeneration & Required<Pick<ImageGeneration, 'lease'>>;

const secondsFrom = (now: Date, seconds: number) => new Date(now.getTime() + seconds * 1000);

/** The longest-waiting generation that is paid for, now leased to this worker, or null when none waits. */
export async function claimGeneration(store: Store, { workerId, leaseSeconds, types }: Claim): Promise<Leased | null> {
  const now = store.clock.now();
  const lease = {
    token: crypto.randomUUID(),
    workerId,
    expiresAt: secondsFrom(now, leaseSeconds),
    attemptStartedAt: now,
  };
  const claimed = await generationsOf(store).findOneAndUpdate(
    { availableAt: { $exists: true }, status: 'pending', ...(types && { type: { $in: [...types] } }) },
    begun(now, lease),
    { sort: { availableAt: 1, _id: 1 }, returnDocument: 'after' },
  );
  return claimed && { ...claimed, lease };
}

/** The guard of everything that a worker does: its token, while the lease runs and the attempt is not too old. */
function underLease(store: Store, id: Types.ObjectId, token: string) {
  const now = store.clock.now();
  return {
    _id: id,
    status: 'processing' as const,
    'lease.token': token,
    'lease.expiresAt': { $gt: now },
    'lease.attemptStartedAt': { $gt: secondsFrom(now, -GENERATION_LIMITS.maxAttemptSeconds) },
  };
}

/**
 * Keeps the lease for another `leaseSeconds`.
 *
 * @throws {ArtifexError} `lease_lost`
 */
export async function renewLease(
  store: Store,
  id: Types.ObjectId,
  token: string,
  leaseSeconds: number,
): Promise<ImageGeneration> {
  const expiresAt = secondsFrom(store.clock.now(), leaseSeconds);
  return leased(
    store,
    id,
    await generationsOf(store).findOneAndUpdate(
      underLease(store, id, token),
      { $set: { 'lease.expiresAt': expiresAt } },
      { returnDocument: 'after' },
    ),
  );
}

/**
 * Ends a generation with its pictures; it then owes their delivery to the user's count.
 *
 * @param processingTime seconds; without it, the age of the attempt
 * @throws {ArtifexError} `lease_lost`
 */
export async function completeGeneration(
  store: Store,
  id: Types.ObjectId,
  token: string,
  result: { outputImages: OutputImage[]; processingTime?: number | undefined },
): Promise<ImageGeneration> {
  const completion = completed(store.clock.now(), result);
  return leased(
    store,
    id,
    await generationsOf(store).findOneAndUpdate(underLease(store, id, token), completion, { returnDocument: 'after' }),
  );
}

/**
 * Ends an attempt without pictures: the generation waits for another one when that may help and attempts are left; else it
 * has failed, and owes its refund.
 *
 * @throws {ArtifexError} `lease_lost`
 */
export async function failAttempt(
  store: Store,
  id: Types.ObjectId,
  token: string,
  { errorMessage, retryable }: { errorMessage: string; retryable: boolean },
): Promise<ImageGeneration> {
  return leased(
    store,
    id,
    await generationsOf(store).findOneAndUpdate(
      underLease(store, id, token),
      retryable ? attemptEnded(store.clock.now(), errorMessage) : failed(store.clock.now(), errorMessage),
      { returnDocument: 'after' },
    ),
  );
}

/**
 * Gives a generation back unharmed, as if it had never been claimed: for a worker that has to stop.
 *
 * @throws {ArtifexError} `lease_lost`
 */
export async function releaseLease(store: Store, id: Types.ObjectId, token: string): Promise<void> {
  const now = store.clock.now();
  const released = await generationsOf(store).findOneAndUpdate(underLease(store, id, token), [
    {
      $set: {
        status: 'pending',
        availableAt: now,
        updatedAt: now,
        attempts: { $subtract: ['$attempts', 1] },
        ...movedTo('pending', '$$REMOVE'),
      },
    },
    { $unset: ['lease', 'startedAt', 'counted'] },
  ]);
  await leased(store, id, released);
}

/**
 * Ends the attempts whose worker is dead (no heartbeat: another attempt) and those that hang (heartbeats until they were too
 * old: given up and owed). A worker that fell silent earlier is dead, however late that is noticed.
 *
 * @returns how many attempts were ended
 */
export async function endStalledAttempts(store: Store): Promise<number> {
  const now = store.clock.now();
  const maxAge = GENERATION_LIMITS.maxAttemptSeconds;
  // A lease beyond the longest that can be had now is of a clock that has been set back since.
  const longestLease = secondsFrom(now, GENERATION_LIMITS.maxLeaseSeconds + CLOCK_TOLERANCE_MS / 1000);
  const oldAge = { $add: ['$startedAt', maxAge * 1000] };
  const isUnleased = { $eq: [{ $type: '$lease' }, 'missing'] };
  const hung = await generationsOf(store).updateMany(
    {
      startedAt: { $lte: secondsFrom(now, -maxAge) },
      status: 'processing',
      $expr: { $or: [isUnleased, { $gte: ['$lease.expiresAt', oldAge] }] },
    },
    failed(now, 'The attempt took too long and was given up.'),
  );
  const dead = await generationsOf(store).updateMany(
    { $or: [{ 'lease.expiresAt': { $lte: now } }, { 'lease.expiresAt': { $gt: longestLease } }], status: 'processing' },
    attemptEnded(now, 'The worker was lost in every attempt.'),
  );
  return hung.modifiedCount + dead.modifiedCount;
}

/** Generations that have ended and still owe something to their users, but for those `except`. */
export function owingGenerations(
  store: Store,
  limit: number,
  except: readonly Types.ObjectId[] = [],
): Promise<ImageGeneration[]> {
  return generationsOf(store)
    .find({ owes: { $in: [...OBLIGATIONS] }, _id: { $nin: [...except] } })
    .limit(limit)
    .toArray();
}

function attemptEnded(now: Date, errorMessage: string) {
  const exhausted = { $gte: ['$attempts', GENERATION_LIMITS.maxAttempts] };
  const status = { $cond: [exhausted, 'failed', 'pending'] };
  return [
    {
      $set: {
        status,
        ...movedTo(status),
        errorMessage: { $cond: [exhausted, { $literal: errorMessage }, '$errorMessage'] },
        failedAt: { $cond: [exhausted, now, '$failedAt'] },
        availableAt: { $cond: [exhausted, '$$REMOVE', now] },
        owes: { $cond: [exhausted, owedRefund().owes, '$owes'] },
        updatedAt: now,
      },
    },
    { $unset: ['lease', 'counted'] },
  ];
}

async function leased(store: Store, id: Types.ObjectId, generation: ImageGeneration | null): Promise<ImageGeneration> {
  if (generation) return generation;
  const exists = await generationsOf(store).findOne({ _id: id, isDeleted: false }, { projection: { _id: 1 } });
  if (!exists) throw generationNotFound();
  throw new ArtifexError('lease_lost', 'The lease has ended, and its token with it. Claim another generation.');
}
