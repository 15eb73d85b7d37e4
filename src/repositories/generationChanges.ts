import type { Types } from 'mongoose';
import { z } from 'zod';
import { type StateVersion, versionOf } from '../domain/moves.ts';
import { generationsOf } from '../models/collections.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';
import type { Store } from '../models/store.ts';

/**
 * Milliseconds that the server waits for a change before it answers that there is none. Below the time after which the driver takes a
 * silent socket for dead.
 */
const LONGEST_WAIT_MS = 10_000;

/** A move, the end of a generation's visibility, or its removal: nothing else that is written to one. */
const RELEVANT = [
  {
    $match: {
      $or: [
        { operationType: { $in: ['replace', 'delete'] } },
        { 'updateDescription.updatedFields.status': { $exists: true } },
        { 'updateDescription.updatedFields.isDeleted': { $exists: true } },
      ],
    },
  },
  { $project: { documentKey: 1 } },
];

const changed = z.object({
  documentKey: z.object({ _id: z.custom<Types.ObjectId>((value) => typeof value === 'object' && value !== null) }),
});

/** The changes of all generations, from the moment at which `opened` resolves. */
export interface GenerationChanges {
  opened: Promise<void>;
  /** Of which generations there is news: as many as have come, none after a quiet while. */
  next(): Promise<Types.ObjectId[]>;
  close(): Promise<void>;
}

/**
 * A change stream (https://www.mongodb.com/docs/manual/changeStreams/). The driver resumes it by its token after an error that allows
 * that; after any other, `next` rejects. Whom it tells of is read by the ids, so that events stay small.
 */
export function openGenerationChanges(store: Store): GenerationChanges {
  const stream = generationsOf(store).watch(RELEVANT, {
    maxAwaitTimeMS: LONGEST_WAIT_MS,
    readPreference: 'primary',
  });
  const opened = Promise.withResolvers<void>();
  stream.on('resumeTokenChanged', () => opened.resolve());

  return {
    opened: opened.promise,
    async next() {
      const ids: Types.ObjectId[] = [];
      do {
        const change = await stream.tryNext();
        if (change) ids.push(changed.parse(change).documentKey._id);
        else if (stream.closed) throw new Error('The database has ended the change stream');
      } while (stream.bufferedCount() > 0);
      return ids;
    },
    close: () => stream.close(),
  };
}

/** Those of the generations that are there, deleted ones too. What a change stream has told of is to be seen: on the primary. */
export function readGenerations(store: Store, ids: readonly Types.ObjectId[]): Promise<ImageGeneration[]> {
  return generationsOf(store)
    .find({ _id: { $in: [...ids] } }, { readPreference: 'primary' })
    .toArray();
}

/** In which state each of the generations is; those that are deleted or gone are missing. */
export async function readVersions(
  store: Store,
  ids: readonly Types.ObjectId[],
): Promise<{ id: Types.ObjectId; version: StateVersion }[]> {
  const found = await generationsOf(store)
    .find(
      { _id: { $in: [...ids] }, isDeleted: false },
      { projection: { status: 1, moves: { $slice: -1 } }, readPreference: 'primary' },
    )
    .toArray();
  return found.map((generation) => ({ id: generation._id, version: versionOf(generation) }));
}
