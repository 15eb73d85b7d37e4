import { type HydratedDocument, Types } from 'mongoose';
import { LIBRARY } from '../../domain/audit.ts';
import { ArtifexError } from '../../domain/errors.ts';
import { creditsFor, GENERATION_LIMITS, type ImageGenerationType } from '../../domain/generation.ts';
import { type GenerationStatus, sourcesOf } from '../../domain/lifecycle.ts';
import type { UsageSummary } from '../../domain/usage.ts';
import { generationsOf } from '../collections.ts';
import type { ImageGeneration, ImageGenerationModelType, OutputImage } from '../ImageGeneration.ts';
import { begun, completed, failed } from '../statements/moves.ts';
import { payObligation } from '../statements/obligations.ts';
import { systemStats, userStats } from '../statements/usage/stats.ts';
import { deletedGeneration, restored } from '../statements/visibility.ts';
import type { Store } from '../store.ts';
import { refresh } from './refresh.ts';

export type GenerationDocument = HydratedDocument<ImageGeneration, GenerationMethods>;

/**
 * Each move is one atomic write whose guard holds the lifecycle: an illegal one is refused (`invalid_transition`) and changes
 * nothing, whatever this document has read. A generation that a worker holds moves only under the lease that this document knows.
 */
export interface GenerationMethods {
  markAsProcessing(): Promise<void>;
  /**
   * Ends it with its pictures, from 1 to `count`, and counts them for its user.
   *
   * @throws {mongoose.Error.ValidationError}
   */
  markAsCompleted(outputImages: OutputImage[]): Promise<void>;
  /** Ends it without pictures, and gives back what was paid. */
  markAsFailed(errorMessage: string): Promise<void>;
  /** Credits: images times the price of one. */
  calculateCost(): number;
  /** A pending one is cancelled and refunded; one that is processing is refused (`invalid_transition`). */
  softDelete(): Promise<void>;
  restore(): Promise<void>;
}

type Update = Parameters<ReturnType<typeof generationsOf>['findOneAndUpdate']>[1];

export function generationMethods(store: Store): GenerationMethods & ThisType<GenerationDocument> {
  const now = () => store.clock.now();

  async function write(document: GenerationDocument, guard: object, update: Update): Promise<boolean> {
    const readAt = now();
    const stored = await generationsOf(store).findOneAndUpdate({ _id: document._id, ...guard }, update, {
      returnDocument: 'after',
    });
    if (!stored) return false;
    await payObligation(store, stored, readAt);
    refresh(document, stored, CHANGING);
    return true;
  }

  async function move(document: GenerationDocument, to: GenerationStatus, update: Update): Promise<void> {
    const lease = document.lease ? document.lease.token : { $exists: false };
    const guard = { isDeleted: false, status: { $in: sourcesOf(to) }, 'lease.token': lease };
    if (!(await write(document, guard, update))) throw await refusal(store, document._id, to);
  }

  return {
    markAsProcessing() {
      return move(this, 'processing', begun(now()));
    },
    async markAsCompleted(outputImages) {
      const images = await validImages(this, outputImages);
      await move(this, 'completed', completed(now(), { outputImages: images }));
    },
    markAsFailed(errorMessage) {
      return move(this, 'failed', failed(now(), errorMessage.slice(0, GENERATION_LIMITS.maxErrorMessageLength)));
    },
    calculateCost() {
      return creditsFor(this);
    },
    async softDelete() {
      const act = { action: 'generation.deleted', actor: LIBRARY } as const;
      const guard = { isDeleted: false, status: { $ne: 'processing' } };
      if (!(await write(this, guard, deletedGeneration(act, now())))) {
        throw new ArtifexError('invalid_transition', 'Only a generation that is not being processed can be deleted.');
      }
    },
    async restore() {
      const act = { action: 'generation.restored', actor: LIBRARY } as const;
      await write(this, { isDeleted: true }, [...restored(act, now()), { $unset: 'counted' }]);
    },
  };
}

/** What moves change. */
const CHANGING = [
  'status',
  'attempts',
  'moves',
  'waitingSince',
  'slot',
  'availableAt',
  'lease',
  'attemptEnd',
  'startedAt',
  'completedAt',
  'failedAt',
  'processingTime',
  'outputImages',
  'errorMessage',
  'owes',
  'charge',
  'isDeleted',
  'deletedAt',
  'updatedAt',
] as const satisfies readonly (keyof ImageGeneration)[];

/** The pictures as the schema casts them; the document itself is not touched. */
async function validImages(document: GenerationDocument, outputImages: OutputImage[]): Promise<OutputImage[]> {
  const draft = document.$clone();
  draft.set('outputImages', outputImages);
  if (outputImages.length === 0) draft.invalidate('outputImages', 'A completed generation has at least one picture');
  await draft.validate(['outputImages']);
  return draft.toObject().outputImages;
}

async function refusal(store: Store, id: Types.ObjectId, to: GenerationStatus): Promise<ArtifexError> {
  const stored = await generationsOf(store).findOne({ _id: id }, { projection: { status: 1, isDeleted: 1 } });
  if (!stored || stored.isDeleted) return new ArtifexError('not_found', 'There is no such generation.');
  if (!sourcesOf(to).includes(stored.status)) {
    return new ArtifexError('invalid_transition', `A generation that is ${stored.status} cannot become ${to}.`);
  }
  return new ArtifexError('lease_lost', 'Another worker holds this generation; read it again to see who.');
}

/** What `createGeneration` takes: what a caller asks for, and who. */
const REQUEST_FIELDS = [
  'userId',
  'type',
  'prompt',
  'negativePrompt',
  'style',
  'aspectRatio',
  'quality',
  'model',
  'count',
  'sourceImageUrl',
  'metadata',
] as const satisfies readonly (keyof ImageGeneration)[];

export interface FindByUserOptions {
  /** At most so many, newest first. */
  limit?: number;
  skip?: number;
  status?: GenerationStatus;
  type?: ImageGenerationType;
  /** Inclusive. */
  from?: Date;
  /** Exclusive. */
  to?: Date;
}

export interface GenerationStatics {
  /**
   * Records a pending generation and charges nothing; `DatabaseUtils.createImageGeneration` does both.
   *
   * @throws {mongoose.Error.ValidationError}
   */
  createGeneration(
    data: Partial<Omit<ImageGeneration, 'userId'>> & { userId: Types.ObjectId | string },
  ): Promise<GenerationDocument>;
  /** A user's generations, newest first. */
  findByUser(userId: Types.ObjectId | string, options?: FindByUserOptions): Promise<GenerationDocument[]>;
  /** Those of the last `days` times 24 hours, newest first. */
  findRecentByUser(userId: Types.ObjectId | string, days?: number): Promise<GenerationDocument[]>;
  /** Attempts whose worker is silent, and attempts that are too old. The sweeper ends them. */
  findStalledGenerations(): Promise<GenerationDocument[]>;
  /** What the user has asked for since sign-up. */
  getUserStats(userId: Types.ObjectId | string): Promise<UsageSummary>;
  /** What everybody has asked for, ever. */
  getSystemStats(): Promise<UsageSummary>;
}

const DAY_MS = 24 * 60 * 60 * 1000;

export function generationStatics(store: Store): GenerationStatics & ThisType<ImageGenerationModelType> {
  return {
    async createGeneration(data) {
      const request = REQUEST_FIELDS.filter((field) => data[field] !== undefined).map((field) => [field, data[field]]);
      const generation = new this(Object.fromEntries(request));
      await generation.save();
      return generation;
    },
    findByUser(userId, { limit = 100, skip = 0, status, type, from, to } = {}) {
      const createdAt = { ...(from && { $gte: from }), ...(to && { $lt: to }) };
      return this.find({
        userId,
        ...(status && { status }),
        ...(type && { type }),
        ...((from || to) && { createdAt }),
      })
        .sort({ createdAt: -1, _id: -1 })
        .skip(skip)
        .limit(limit)
        .exec();
    },
    findRecentByUser(userId, days = 7) {
      const since = new Date(store.clock.now().getTime() - days * DAY_MS);
      return this.find({ userId, createdAt: { $gte: since } })
        .sort({ createdAt: -1, _id: -1 })
        .exec();
    },
    findStalledGenerations() {
      const now = store.clock.now();
      const tooOld = new Date(now.getTime() - GENERATION_LIMITS.maxAttemptSeconds * 1000);
      return this.find({
        status: 'processing',
        $or: [{ 'lease.expiresAt': { $lte: now } }, { status: 'processing', startedAt: { $lte: tooOld } }],
      }).exec();
    },
    getUserStats(userId) {
      return userStats(store, new Types.ObjectId(userId));
    },
    getSystemStats() {
      return systemStats(store);
    },
  };
}
