import { Types } from 'mongoose';
import type { Backfill } from '../models/Backfill.ts';
import { backfillsOf, usersOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import type { Store } from '../models/store.ts';
import type { User } from '../models/User.ts';

/** What was read longer ago says too little of now: a run that was cut off then is begun anew. */
export const RESUMED_WITHIN_MS = 24 * 60 * 60 * 1000;

/**
 * Goes on with a run that was cut off, or begins one. Whoever had it before can save no more.
 *
 * @param fresh a run at its beginning
 */
export async function takeBackfill(store: Store, fresh: Backfill): Promise<Backfill> {
  const { _id, run } = fresh;
  const since = new Date(store.clock.now().getTime() - RESUMED_WITHIN_MS);
  for (;;) {
    const resumed = await backfillsOf(store).findOneAndUpdate(
      { _id, savedAt: { $gt: since } },
      { $set: { run } },
      { returnDocument: 'after' },
    );
    if (resumed) return resumed;
    try {
      await backfillsOf(store).replaceOne({ _id, savedAt: { $lte: since } }, fresh, { upsert: true });
      return fresh;
    } catch (error) {
      // Another one has begun meanwhile.
      if (!isDuplicateKey(error)) throw error;
    }
  }
}

/** @returns false when another process goes on with the run, or has ended it */
export async function saveBackfill(store: Store, { _id, run, ...state }: Backfill): Promise<boolean> {
  const { matchedCount } = await backfillsOf(store).updateOne({ _id, run }, { $set: state });
  return matchedCount === 1;
}

/** @returns false when another process goes on with the run, or has ended it */
export async function endBackfill(store: Store, { _id, run }: Backfill): Promise<boolean> {
  const { deletedCount } = await backfillsOf(store).deleteOne({ _id, run });
  return deletedCount === 1;
}

/** What a back-fill compares. */
export type StoredPerson = Pick<User, '_id' | 'clerkUserId' | 'email' | 'name' | 'identityVersion' | 'isDeleted'>;

const COMPARED = { clerkUserId: 1, email: 1, name: 1, identityVersion: 1, isDeleted: 1 } as const;

export function storedPeople(store: Store, clerkUserIds: readonly string[]): Promise<StoredPerson[]> {
  return usersOf(store)
    .find({ clerkUserId: { $in: [...clerkUserIds] } }, { projection: COMPARED })
    .toArray();
}

/** A page of everybody who is stored, deleted or not, in an order that nothing changes. */
export function peopleBehind(store: Store, behind: Types.ObjectId | undefined, limit: number): Promise<StoredPerson[]> {
  return usersOf(store)
    .find({ _id: { $gt: behind ?? FIRST_ID } }, { projection: COMPARED })
    .sort({ _id: 1 })
    .limit(limit)
    .toArray();
}

const FIRST_ID = new Types.ObjectId('0'.repeat(24));
