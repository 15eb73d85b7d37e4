import type { Types } from 'mongoose';
import { ArtifexError, ValidationFailedError } from '../domain/errors.ts';
import { GENERATION_LIMITS } from '../domain/generation.ts';
import { CLOCK_TOLERANCE_MS } from '../domain/ledger.ts';
import { generationsOf } from '../models/collections.ts';
import type { AttemptEnd, ImageGeneration, OutputImage } from '../models/ImageGeneration.ts';
import { announced } from '../models/statements/announcements.ts';
import { completed, failed, movedTo, owedRefund } from '../models/statements/moves.ts';
import type { Store } from '../models/store.ts';
import { generationNotFound } from './generations.ts';

/** What a worker does with what it has claimed. It acts under the token of its lease; a lease that has ended moves nothing. */

const secondsFrom = (now: Date, seconds: number) => new Date(now.getTime() + seconds * 1000);

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
 * Keeps the lease for as long again as its claim asked for.
 *
 * @throws {ArtifexError} `lease_lost`, or `not_found`
 */
export async function renewLease(store: Store, id: Types.ObjectId, token: string): Promise<ImageGeneration> {
  const seconds = { $ifNull: ['$lease.seconds', GENERATION_LIMITS.defaultLeaseSeconds] };
  const expiresAt = { $add: [store.clock.now(), { $multiply: [seconds, 1000] }] };
  const renewed = await generationsOf(store).findOneAndUpdate(
    underLease(store, id, token),
    [{ $set: { 'lease.expiresAt': expiresAt } }],
    { returnDocument: 'after' },
  );
  if (renewed) return renewed;
  await existing(store, id);
  throw leaseLost();
}

/**
 * Ends a generation with its pictures; it then owes their delivery to the user's count. Said again, it is answered with the generation.
 *
 * @param processingTime seconds; without it, the age of the attempt
 * @throws {ArtifexError} `lease_lost`, `invalid_transition` when this lease has ended it otherwise, or `not_found`
 * @throws {ValidationFailedError} for more pictures than were asked for
 */
export async function completeGeneration(
  store: Store,
  id: Types.ObjectId,
  token: string,
  result: { outputImages: OutputImage[]; processingTime?: number | undefined },
): Promise<ImageGeneration> {
  const { outputImages } = result;
  const completion = [...completed(store.clock.now(), result), endedBy(token, 'complete')];
  const ended = await generationsOf(store).findOneAndUpdate(
    { ...underLease(store, id, token), count: { $gte: outputImages.length } },
    completion,
    { returnDocument: 'after' },
  );
  if (ended) return ended;
  const stored = await existing(store, id);
  if (stored.lease?.token === token && stored.count < outputImages.length) {
    const message = `The generation asks for ${stored.count}; give no more pictures`;
    throw new ValidationFailedError([{ path: 'outputImages', message }]);
  }
  return repeated(stored, token, 'complete', () => samePictures(stored.outputImages, outputImages));
}

/**
 * Ends an attempt without pictures: the generation waits for another one when that may help and attempts are left; else it
 * has failed, and owes its refund. Said again, it is answered with the generation as it is by then.
 *
 * @throws {ArtifexError} `lease_lost`, `invalid_transition` when this lease has ended it with pictures, or `not_found`
 */
export async function failAttempt(
  store: Store,
  id: Types.ObjectId,
  token: string,
  { errorMessage, retryable }: { errorMessage: string; retryable: boolean },
): Promise<ImageGeneration> {
  const now = store.clock.now();
  const failure = retryable ? attemptEnded(now, errorMessage) : failed(now, errorMessage);
  const ended = await generationsOf(store).findOneAndUpdate(
    underLease(store, id, token),
    [...failure, endedBy(token, 'fail')],
    { returnDocument: 'after' },
  );
  return ended ?? repeated(await existing(store, id), token, 'fail');
}

function endedBy(token: string, by: AttemptEnd['by']) {
  return { $set: { attemptEnd: { $literal: { token, by } } } };
}

/** A worker that has not heard the answer may say the same again; whoever shows another token has no say. */
function repeated(
  stored: ImageGeneration,
  token: string,
  by: AttemptEnd['by'],
  isSame: () => boolean = () => true,
): ImageGeneration {
  if (stored.attemptEnd?.token !== token) throw leaseLost();
  if (stored.attemptEnd.by === by && isSame()) return stored;
  throw new ArtifexError('invalid_transition', 'This lease has ended its attempt in another way; that stands.');
}

function samePictures(stored: readonly OutputImage[], given: readonly OutputImage[]): boolean {
  const words = (images: readonly OutputImage[]) =>
    JSON.stringify(
      images.map(({ url, filename, size, width, height, contentType }) => [
        url,
        filename,
        size,
        width ?? null,
        height ?? null,
        contentType ?? null,
      ]),
    );
  return words(stored) === words(given);
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
  if (released) return;
  await existing(store, id);
  throw leaseLost();
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
        announcements: { $cond: [exhausted, announced('failed', now).announcements, '$announcements'] },
        slot: { $cond: [exhausted, '$$REMOVE', '$slot'] },
        availableAt: { $cond: [exhausted, '$$REMOVE', now] },
        owes: { $cond: [exhausted, owedRefund().owes, '$owes'] },
        updatedAt: now,
      },
    },
    { $unset: ['lease', 'counted'] },
  ];
}

async function existing(store: Store, id: Types.ObjectId): Promise<ImageGeneration> {
  const stored = await generationsOf(store).findOne({ _id: id, isDeleted: false });
  if (!stored) throw generationNotFound();
  return stored;
}

function leaseLost(): ArtifexError {
  return new ArtifexError('lease_lost', 'The lease has ended, and its token with it. Claim another generation.');
}
