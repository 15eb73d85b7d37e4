import type { Types } from 'mongoose';
import {
  ASPECT_RATIOS,
  creditsFor,
  GENERATION_DEFAULTS,
  type ImageGenerationType,
  type ImageQuality,
  needsSourceImage,
} from '../../src/domain/generation.ts';
import type { ImageGeneration } from '../../src/models/ImageGeneration.ts';
import type { LedgerEntry } from '../../src/models/LedgerEntry.ts';
import { lostLease, picturesOf } from '../history.ts';
import { FAILURES, promptOf, unwantedOf } from './prompts.ts';
import type { Random } from './random.ts';

type Request = Pick<
  ImageGeneration,
  | 'type'
  | 'prompt'
  | 'negativePrompt'
  | 'style'
  | 'aspectRatio'
  | 'quality'
  | 'model'
  | 'count'
  | 'sourceImageUrl'
  | 'credits'
>;

/** What becomes of a request, and when. */
export interface Fate {
  status: 'completed' | 'failed' | 'cancelled' | 'processing' | 'pending';
  startedAt: Date;
  endedAt: Date;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;

const TYPES: readonly (readonly [ImageGenerationType, number])[] = [
  ['text-to-image', 62],
  ['variation', 14],
  ['image-to-image', 11],
  ['upscale', 7],
  ['inpainting', 4],
  ['outpainting', 2],
];
const STYLES = ['realistic', 'realistic', 'watercolor', 'anime', 'oil', 'minimal', 'sketch', 'pixel'] as const;
const COUNTS = [1, 1, 1, 1, 2, 2, 3, 4] as const;
const QUALITIES: readonly (readonly [ImageQuality, number])[] = [
  ['standard', 78],
  ['hd', 22],
];
const OUTCOMES = [
  ['completed', 915],
  ['failed', 60],
  ['cancelled', 25],
] as const;

export function requestOf(random: Random): Request {
  const type = random.weighted(TYPES);
  const quality = random.weighted(QUALITIES);
  const count = random.pick(COUNTS);
  return {
    type,
    prompt: promptOf(random),
    ...(random.chance(0.15) && { negativePrompt: unwantedOf(random) }),
    style: random.pick(STYLES),
    aspectRatio: random.pick(ASPECT_RATIOS),
    quality,
    model: GENERATION_DEFAULTS.model,
    count,
    ...(needsSourceImage(type) && { sourceImageUrl: 'https://example.com/source.png' }),
    credits: creditsFor({ quality, count }),
  };
}

/** What has not ended by `now` is still under way. */
export function fateOf({ quality, count }: Request, createdAt: Date, now: Date, random: Random): Fate {
  const status = random.weighted(OUTCOMES);
  const startedAt = later(createdAt, random.between(0.2, 30));
  const drawing = random.between(2, 9) * count * (quality === 'hd' ? 1.8 : 1);
  const endedAt = status === 'cancelled' ? later(createdAt, random.between(2, 20)) : later(startedAt, drawing);
  if (endedAt <= now) return { status, startedAt, endedAt };
  return { status: startedAt <= now ? 'processing' : 'pending', startedAt, endedAt };
}

export function generationOf(
  _id: Types.ObjectId,
  request: Request,
  createdAt: Date,
  charge: LedgerEntry,
  fate: Fate,
  now: Date,
  random: Random,
): ImageGeneration {
  const { credits, period, userId } = charge;
  const base = {
    _id,
    userId,
    ...request,
    outputImages: [],
    metadata: { seeded: true },
    charge: { id: charge._id, credits, period },
    isDeleted: false,
    createdAt,
  };
  const { status, startedAt, endedAt } = fate;
  switch (status) {
    case 'pending':
      return { ...base, status, attempts: 0, waitingSince: createdAt, updatedAt: createdAt };
    case 'processing':
      // Its worker is gone: the sweeper will find that out, as it would after a crash.
      return { ...base, status, attempts: 1, startedAt, lease: lostLease(startedAt), updatedAt: startedAt };
    case 'cancelled':
      return { ...base, status, attempts: 0, updatedAt: endedAt };
    case 'failed': {
      const errorMessage = random.pick(FAILURES);
      return {
        ...base,
        status,
        attempts: random.whole(1, 3),
        startedAt,
        failedAt: endedAt,
        errorMessage,
        updatedAt: endedAt,
      };
    }
    case 'completed':
      return {
        ...base,
        status,
        attempts: random.chance(0.03) ? 2 : 1,
        startedAt,
        completedAt: endedAt,
        processingTime: (endedAt.getTime() - startedAt.getTime()) / SECOND_MS,
        outputImages: picturesOf(base),
        updatedAt: endedAt,
        ...deletionOf(endedAt, now, random),
      };
  }
}

/** A few pictures are thrown away, some time after they were made. */
function deletionOf(endedAt: Date, now: Date, random: Random) {
  const deletedAt = new Date(endedAt.getTime() + random.between(0.1, 72) * HOUR_MS);
  return random.chance(0.015) && deletedAt <= now ? { isDeleted: true, deletedAt, updatedAt: deletedAt } : {};
}

function later(than: Date, seconds: number): Date {
  return new Date(than.getTime() + Math.round(seconds * SECOND_MS));
}
