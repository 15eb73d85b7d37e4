import type { Types } from 'mongoose';
import { generationsOf } from '../models/collections.ts';
import {
  type Announcement,
  type GenerationSnapshot,
  type ImageGeneration,
  SHOWN_FIELDS,
} from '../models/ImageGeneration.ts';
import { withoutAnnouncements } from '../models/statements/announcements.ts';
import type { Store } from '../models/store.ts';

/** Status changes that callers are still to be told of, as the generations themselves keep them. */

export type Announcing = GenerationSnapshot & Pick<ImageGeneration, 'userId' | 'announcements'>;

const PROJECTION = Object.fromEntries([...SHOWN_FIELDS, 'userId', 'announcements'].map((field) => [field, 1]));

/** Those of these generations that have something to announce. */
export function announcingAmong(store: Store, ids: readonly Types.ObjectId[]): Promise<Announcing[]> {
  return generationsOf(store)
    .find<Announcing>({ _id: { $in: [...ids] }, 'announcements.at': { $gte: new Date(0) } }, { projection: PROJECTION })
    .toArray();
}

/** Generations whose announcements have waited since an instant, but for those `except`; the oldest first. */
export function announcingGenerations(
  store: Store,
  since: Date,
  limit: number,
  except: readonly Types.ObjectId[] = [],
): Promise<Announcing[]> {
  return generationsOf(store)
    .find<Announcing>({ 'announcements.at': { $lte: since }, _id: { $nin: [...except] } }, { projection: PROJECTION })
    .limit(limit)
    .toArray();
}

/** Takes away the announcements that were read; what has been announced since stays. */
export async function forgetAnnouncements(store: Store, read: readonly Announcing[]): Promise<void> {
  const ids = read.flatMap(({ announcements = [] }) => announcements.map(({ id }) => id));
  await generationsOf(store).updateMany({ _id: { $in: read.map(({ _id }) => _id) } }, withoutAnnouncements(ids));
}

/**
 * The generation as it was when that status began. A final status never changes again, so only what has happened since the
 * beginning of an attempt has to be taken back.
 */
export function snapshotAt(generation: Announcing, { status, at }: Announcement): GenerationSnapshot {
  const { userId, announcements, ...now } = generation;
  if (status !== 'processing') return now;
  const { completedAt, failedAt, processingTime, errorMessage, ...begun } = now;
  return { ...begun, status, startedAt: at, outputImages: [] };
}
