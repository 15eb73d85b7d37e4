import { type Connection, type Model, Schema, type Types } from 'mongoose';
import {
  ASPECT_RATIOS,
  type AspectRatio,
  creditsFor,
  GENERATION_DEFAULTS,
  GENERATION_LIMITS,
  IMAGE_GENERATION_TYPES,
  IMAGE_QUALITIES,
  type ImageGenerationType,
  type ImageQuality,
  needsSourceImage,
} from '../domain/generation.ts';
import { FINAL_STATUSES, GENERATION_STATUSES, type GenerationStatus } from '../domain/lifecycle.ts';
import type { Move } from '../domain/moves.ts';
import { ANNOUNCED_STATUSES, type AnnouncedStatus } from '../domain/webhooks.ts';
import {
  type GenerationMethods,
  type GenerationStatics,
  generationMethods,
  generationStatics,
} from './methods/generation.ts';
import { recountChanges } from './plugins/recountChanges.ts';
import { type SoftDeletable, softDelete } from './plugins/softDelete.ts';
import type { OpenAct } from './statements/acts.ts';
import type { Store } from './store.ts';
import { textUpTo } from './text.ts';

/** A finished picture; `size` in bytes, width and height in pixels. */
export interface OutputImage {
  /** https, or a path on this server. */
  url: string;
  filename: string;
  size: number;
  width?: number;
  height?: number;
  contentType?: string;
}

export type GenerationMetadata = Record<string, unknown>;

/** A worker's claim, which ends by itself. */
export interface Lease {
  /** Fences the worker off once the claim is lost: every claim has another one. */
  token: string;
  workerId: string;
  /** What the claim asked for, and what each heartbeat renews; absent where a claim is older than this field. */
  seconds?: number;
  /** When the worker counts as dead unless it is heard from. */
  expiresAt: Date;
  /** When this attempt began; an attempt that is too old hangs, however lively its heartbeat. */
  attemptStartedAt: Date;
}

/** Which lease a worker's own word has ended, and by which: what proves that a repeat of that word is one. */
export interface AttemptEnd {
  token: string;
  by: 'complete' | 'fail';
}

/** What was paid, and from which period. */
export interface GenerationCharge {
  id: Types.ObjectId;
  credits: number;
  period: number;
}

/** Which run of the rollups took this state up, and whether the rollups hold it. Every change of the generation removes it. */
export interface Counted {
  run: Types.ObjectId;
  done?: true;
}

/** What a generation that has come to its end still owes to its user's account. */
export const OBLIGATIONS = ['refund', 'delivery'] as const;
export type Obligation = (typeof OBLIGATIONS)[number];

/** A status change that callers are still to be told of. It stands in the generation by the same write that made the change. */
export interface Announcement {
  id: Types.ObjectId;
  status: AnnouncedStatus;
  at: Date;
}

export interface ImageGeneration extends SoftDeletable {
  _id: Types.ObjectId;
  userId: Types.ObjectId;
  type: ImageGenerationType;
  prompt: string;
  negativePrompt?: string;
  style: string;
  aspectRatio: AspectRatio;
  quality: ImageQuality;
  model: string;
  /** Images asked for. */
  count: number;
  sourceImageUrl?: string;
  status: GenerationStatus;
  /** Credits that the request costs. */
  credits: number;
  /** Seconds. */
  processingTime?: number;
  outputImages: OutputImage[];
  errorMessage?: string;
  metadata: GenerationMetadata;
  startedAt?: Date;
  completedAt?: Date;
  failedAt?: Date;
  /** Absent until the credits have been taken; workers claim only what is charged. */
  charge?: GenerationCharge;
  /** Since when it waits for one of its user's slots; present exactly while it is pending, charged and without one. */
  waitingSince?: Date;
  /** Which of the places that its user's tier has it holds: from its entry into the queue to its end, over every retry. */
  slot?: number;
  /** Since when it waits for a worker; present exactly while it is pending and has a slot. */
  availableAt?: Date;
  lease?: Lease;
  /** How the attempt before ended, if its worker said so. */
  attemptEnd?: AttemptEnd;
  attempts: number;
  /** The latest ones, oldest first; absent before the first one. */
  moves?: Move[];
  owes?: Obligation;
  /** Absent until a rollup has seen the generation as it is now. */
  counted?: Counted;
  openActs?: OpenAct[];
  announcements?: Announcement[];
  createdAt: Date;
  updatedAt: Date;
}

/** What the API shows of a generation. */
export const SHOWN_FIELDS = [
  '_id',
  'type',
  'prompt',
  'negativePrompt',
  'style',
  'aspectRatio',
  'quality',
  'model',
  'count',
  'status',
  'credits',
  'processingTime',
  'outputImages',
  'errorMessage',
  'createdAt',
  'startedAt',
  'completedAt',
  'failedAt',
] as const satisfies readonly (keyof ImageGeneration)[];
export type GenerationSnapshot = Pick<ImageGeneration, (typeof SHOWN_FIELDS)[number]>;

export type ImageGenerationModelType = Model<ImageGeneration, object, GenerationMethods> & GenerationStatics;

const {
  minCount,
  maxCount,
  maxPromptLength,
  maxNegativePromptLength,
  maxNameLength,
  maxUrlLength,
  maxErrorMessageLength,
  maxFilenameLength,
  maxContentTypeLength,
} = GENERATION_LIMITS;

const outputImageSchema = new Schema<OutputImage>(
  {
    url: { type: String, required: true, maxlength: maxUrlLength },
    filename: { type: String, required: true, maxlength: maxFilenameLength },
    size: { type: Number, required: true, min: 0 },
    width: { type: Number, min: 1 },
    height: { type: Number, min: 1 },
    contentType: { type: String, maxlength: maxContentTypeLength },
  },
  { _id: false },
);

const leaseSchema = new Schema<Lease>(
  {
    token: { type: String, required: true },
    workerId: { type: String, required: true },
    seconds: { type: Number },
    expiresAt: { type: Date, required: true },
    attemptStartedAt: { type: Date, required: true },
  },
  { _id: false },
);

const attemptEndSchema = new Schema<AttemptEnd>(
  {
    token: { type: String, required: true },
    by: { type: String, enum: ['complete', 'fail'], required: true },
  },
  { _id: false },
);

const chargeSchema = new Schema<GenerationCharge>(
  {
    id: { type: Schema.Types.ObjectId, required: true },
    credits: { type: Number, required: true, min: 1 },
    period: { type: Number, required: true },
  },
  { _id: false },
);

const countedSchema = new Schema<Counted>(
  { run: { type: Schema.Types.ObjectId, required: true }, done: { type: Boolean } },
  { _id: false },
);

const moveSchema = new Schema<Move>(
  {
    number: { type: Number, required: true, min: 1 },
    status: { type: String, enum: GENERATION_STATUSES, required: true },
    startedAt: { type: Date },
  },
  { _id: false },
);

const announcementSchema = new Schema<Announcement>(
  {
    id: { type: Schema.Types.ObjectId, required: true },
    status: { type: String, enum: ANNOUNCED_STATUSES, required: true },
    at: { type: Date, required: true },
  },
  { _id: false },
);

/** The generations of which the rollups do not hold the latest state; its size follows what changed since the last run. */
export const UNCOUNTED_INDEX = 'uncounted';

export function imageGenerationSchema(
  store: Store,
): Schema<ImageGeneration, ImageGenerationModelType, GenerationMethods> {
  const { clock } = store;
  const schema = new Schema<ImageGeneration, ImageGenerationModelType, GenerationMethods>(
    {
      userId: { type: Schema.Types.ObjectId, ref: 'User', required: true },
      type: { type: String, enum: IMAGE_GENERATION_TYPES, required: true },
      prompt: { ...textUpTo(maxPromptLength), required: true, minlength: 1 },
      negativePrompt: textUpTo(maxNegativePromptLength),
      style: { ...textUpTo(maxNameLength), default: GENERATION_DEFAULTS.style },
      aspectRatio: { type: String, enum: ASPECT_RATIOS, default: GENERATION_DEFAULTS.aspectRatio },
      quality: { type: String, enum: IMAGE_QUALITIES, default: GENERATION_DEFAULTS.quality },
      model: { ...textUpTo(maxNameLength), default: GENERATION_DEFAULTS.model },
      count: {
        type: Number,
        default: GENERATION_DEFAULTS.count,
        min: minCount,
        max: maxCount,
        validate: Number.isInteger,
      },
      sourceImageUrl: {
        type: String,
        // The name of a scheme is case-insensitive (RFC 3986 section 3.1).
        match: /^https:\/\//i,
        maxlength: maxUrlLength,
        required(this: ImageGeneration) {
          return needsSourceImage(this.type);
        },
      },
      status: { type: String, enum: GENERATION_STATUSES, default: 'pending', required: true },
      credits: {
        type: Number,
        min: 1,
        required: true,
        validate: Number.isInteger,
        default(this: ImageGeneration) {
          return creditsFor(this);
        },
      },
      processingTime: { type: Number, min: 0 },
      outputImages: { type: [outputImageSchema], default: [] },
      errorMessage: { type: String, maxlength: maxErrorMessageLength },
      metadata: { type: Schema.Types.Mixed, default: () => ({}) },
      startedAt: { type: Date },
      completedAt: { type: Date },
      failedAt: { type: Date },
      charge: { type: chargeSchema },
      waitingSince: { type: Date },
      slot: { type: Number, min: 0 },
      availableAt: { type: Date },
      lease: { type: leaseSchema },
      attemptEnd: { type: attemptEndSchema },
      attempts: { type: Number, default: 0, min: 0, required: true },
      moves: { type: [moveSchema], default: undefined },
      owes: { type: String, enum: OBLIGATIONS },
      counted: { type: countedSchema },
      openActs: { type: Schema.Types.Mixed },
      announcements: { type: [announcementSchema], default: undefined },
    },
    { collection: 'imagegenerations', minimize: false, timestamps: { currentTime: () => clock.now() } },
  );
  schema.plugin(softDelete);
  schema.plugin(recountChanges);
  schema.method(generationMethods(store));
  schema.static({ ...generationStatics(store) });
  schema.pre('validate', function holdImagesToCount() {
    if (this.outputImages.length > this.count)
      this.invalidate('outputImages', 'There are more pictures than asked for');
  });
  const kept = { partialFilterExpression: { isDeleted: false } };
  schema.index({ userId: 1, createdAt: -1, _id: -1 }, kept);
  schema.index({ userId: 1, status: 1, createdAt: -1, _id: -1 }, kept);
  schema.index({ userId: 1, type: 1, createdAt: -1, _id: -1 }, kept);
  // The queue, the leases and the debts hold only what is under way: their size does not follow the history.
  // A compound index is sparse only where all of its fields are missing, so the queue is a partial one.
  const queued = { partialFilterExpression: { availableAt: { $exists: true } } };
  schema.index({ availableAt: 1, _id: 1 }, queued);
  // For workers that cannot do everything: the head of each type.
  schema.index({ type: 1, availableAt: 1, _id: 1 }, queued);
  // Nobody has a slot twice: that is what keeps a user's generations in the queue and under way to the number of slots.
  schema.index({ userId: 1, slot: 1 }, { unique: true, partialFilterExpression: { slot: { $exists: true } } });
  schema.index(
    { userId: 1, waitingSince: 1, _id: 1 },
    { partialFilterExpression: { waitingSince: { $exists: true } } },
  );
  schema.index({ 'lease.expiresAt': 1 }, { sparse: true });
  schema.index({ startedAt: 1 }, { partialFilterExpression: { status: 'processing' } });
  schema.index({ owes: 1 }, { sparse: true });
  schema.index(
    { userId: 1, createdAt: 1, _id: 1 },
    { name: UNCOUNTED_INDEX, partialFilterExpression: { 'counted.done': null } },
  );
  schema.index({ 'openActs.at': 1 }, { sparse: true });
  schema.index({ 'announcements.at': 1 }, { sparse: true });
  // What cleanup asks for: written once, when a generation has come to its end, and when its user deletes it.
  schema.index({ status: 1, createdAt: 1 }, { partialFilterExpression: { status: { $in: [...FINAL_STATUSES] } } });
  schema.index({ deletedAt: 1 }, { sparse: true });
  // With the ones above, all of a user's.
  schema.index({ userId: 1, status: 1 }, { partialFilterExpression: { isDeleted: true } });
  return schema;
}

export function registerImageGeneration(connection: Connection, store: Store): ImageGenerationModelType {
  return connection.model<ImageGeneration, ImageGenerationModelType>('ImageGeneration', imageGenerationSchema(store));
}
