import type { Types } from 'mongoose';
import type { Actor } from '../domain/audit.ts';
import { ArtifexError } from '../domain/errors.ts';
import type { ImageGenerationType } from '../domain/generation.ts';
import { type GenerationStatus, sourcesOf } from '../domain/lifecycle.ts';
import { generationsOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';
import { cancelled } from '../models/statements/moves.ts';
import { deletedGeneration } from '../models/statements/visibility.ts';
import type { Store } from '../models/store.ts';

/** A place in a list that is ordered by creation, newest first. */
export interface GenerationPosition {
  createdAt: Date;
  id: Types.ObjectId;
}

export interface GenerationFilter {
  status?: GenerationStatus | undefined;
  type?: ImageGenerationType | undefined;
  /** Inclusive. */
  from?: Date | undefined;
  /** Exclusive. */
  to?: Date | undefined;
}

/** What a caller asks for. */
export type GenerationRequest = Pick<ImageGeneration, 'type' | 'prompt'> &
  Partial<
    Pick<
      ImageGeneration,
      'negativePrompt' | 'style' | 'aspectRatio' | 'quality' | 'model' | 'count' | 'sourceImageUrl' | 'metadata'
    >
  >;

/**
 * A pending generation, complete but for its user, its charge and its place in the database.
 *
 * @throws {mongoose.Error.ValidationError}
 */
export async function draftGeneration(store: Store, request: GenerationRequest): Promise<ImageGeneration> {
  const now = store.clock.now();
  const draft = new store.models.ImageGeneration({ ...request, waitingSince: now, createdAt: now, updatedAt: now });
  await draft.validate({ pathsToSkip: ['userId'] });
  return draft.toObject();
}

/** Records the generation unless it is recorded already, and returns it as it is now. */
export async function recordGeneration(store: Store, generation: ImageGeneration): Promise<ImageGeneration> {
  try {
    await generationsOf(store).insertOne(generation);
    return generation;
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    return getGeneration(store, generation.userId, generation._id);
  }
}

/** @throws {ArtifexError} `not_found`, also when it is another user's or was deleted */
export async function getGeneration(
  store: Store,
  userId: Types.ObjectId,
  id: Types.ObjectId,
): Promise<ImageGeneration> {
  const generation = await generationsOf(store).findOne({ _id: id, userId, isDeleted: false });
  if (!generation) throw generationNotFound();
  return generation;
}

/** A page of a user's generations, newest first, which insertions do not shift. */
export function listGenerations(
  store: Store,
  userId: Types.ObjectId,
  {
    status,
    type,
    from,
    to,
    after,
    limit,
  }: GenerationFilter & { after?: GenerationPosition | undefined; limit: number },
): Promise<ImageGeneration[]> {
  return generationsOf(store)
    .find({
      userId,
      isDeleted: false,
      ...(status && { status }),
      ...(type && { type }),
      ...createdWithin(from, to, after),
    })
    .sort({ createdAt: -1, _id: -1 })
    .limit(limit)
    .toArray();
}

function createdWithin(from: Date | undefined, to: Date | undefined, after: GenerationPosition | undefined) {
  const bounds = {
    ...(from && { $gte: from }),
    ...(to && { $lt: to }),
    ...(after && { $lte: after.createdAt }),
  };
  return {
    ...(Object.keys(bounds).length > 0 && { createdAt: bounds }),
    ...(after && { $or: [{ createdAt: { $lt: after.createdAt } }, { _id: { $lt: after.id } }] }),
  };
}

/**
 * Cancels a pending generation. From then on it owes its refund, by the same write.
 *
 * @throws {ArtifexError} `not_found`, or `invalid_transition` unless it is pending
 */
export async function cancelGeneration(
  store: Store,
  userId: Types.ObjectId,
  id: Types.ObjectId,
): Promise<ImageGeneration> {
  const ended = await generationsOf(store).findOneAndUpdate(
    { _id: id, userId, isDeleted: false, status: { $in: sourcesOf('cancelled') } },
    cancelled(store.clock.now()),
    { returnDocument: 'after' },
  );
  if (ended) return ended;
  const { status } = await getGeneration(store, userId, id);
  throw new ArtifexError('invalid_transition', `Only a pending generation can be cancelled; this one is ${status}.`);
}

/**
 * Deletes a generation softly. A pending one is cancelled by the same write, and then owes its refund.
 *
 * @throws {ArtifexError} `not_found`, or `invalid_transition` while it is processing
 */
export async function deleteGeneration(
  store: Store,
  userId: Types.ObjectId,
  id: Types.ObjectId,
  actor: Actor,
): Promise<ImageGeneration> {
  const deleted = await generationsOf(store).findOneAndUpdate(
    { _id: id, userId, isDeleted: false, status: { $ne: 'processing' } },
    deletedGeneration({ action: 'generation.deleted', actor }, store.clock.now()),
    { returnDocument: 'after' },
  );
  if (deleted) return deleted;
  await getGeneration(store, userId, id);
  throw new ArtifexError('invalid_transition', 'This generation is being processed; delete it when it has ended.');
}

export function generationNotFound(): ArtifexError {
  return new ArtifexError('not_found', 'There is no such generation.');
}

/** All of a user's generations, deleted ones too: two filters, since each has its index. */
export function everyGenerationOf(userId: Types.ObjectId, filter: { status?: { $in: GenerationStatus[] } } = {}) {
  return {
    $or: [
      { userId, isDeleted: false, ...filter },
      { userId, isDeleted: true, ...filter },
    ],
  };
}
