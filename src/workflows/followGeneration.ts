import type { Types } from 'mongoose';
import { isLater, type Move, type StateVersion, versionOf } from '../domain/moves.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';

/** Tells of generations as they change, whoever changes them. */
export interface GenerationWatch {
  /**
   * Calls `told` with the generation whenever it has changed, at times also when it has not, and with null when there will be no more
   * news: it is gone, or the process ends.
   *
   * @returns what ends the subscription
   */
  subscribe(id: Types.ObjectId, told: (generation: ImageGeneration | null) => void): () => void;
}

export interface Following {
  /** The states that come after those that were asked for before, oldest first; null when there will be no more. */
  next(): Promise<ImageGeneration[] | null>;
  stop(): void;
}

/**
 * Follows a generation from a state on: no state after it is left out, however many are waiting for a slow caller, as the generation
 * itself remembers them. Of what was heard only the latest is kept.
 *
 * @param read gives the generation as it is. It is called when nothing that happens later can be missed
 * @param seen the latest state that is known; without it, the present one is the first
 * @throws what `read` throws
 */
export async function followGeneration(
  watch: GenerationWatch,
  id: Types.ObjectId,
  { read, seen }: { read: () => Promise<ImageGeneration>; seen: StateVersion | null },
): Promise<Following> {
  let latest: ImageGeneration | undefined;
  let isOver = false;
  let news = Promise.withResolvers<void>();
  const unsubscribe = watch.subscribe(id, (generation) => {
    if (generation) latest = generation;
    else isOver = true;
    news.resolve();
  });

  function stop(): void {
    unsubscribe();
    isOver = true;
    news.resolve();
  }

  let known = seen;
  function unseen(generation: ImageGeneration): ImageGeneration[] {
    const states = statesAfter(generation, known);
    if (states.length > 0) known = versionOf(generation);
    return states;
  }

  async function next(): Promise<ImageGeneration[] | null> {
    for (;;) {
      if (first) {
        const states = unseen(first);
        first = undefined;
        if (states.length > 0) return states;
      }
      const heard = latest;
      latest = undefined;
      const states = heard ? unseen(heard) : [];
      if (states.length > 0) return states;
      if (isOver) return null;
      await news.promise;
      news = Promise.withResolvers();
    }
  }

  let first: ImageGeneration | undefined;
  try {
    first = await read();
  } catch (error) {
    stop();
    throw error;
  }
  // What lies ahead of the present state was never seen: it is somebody's invention, or of a database that was set back.
  if (known && isLater(known, versionOf(first)) && known.number !== versionOf(first).number) known = null;
  return { next, stop };
}

/** The states of a generation that are later than one that is known, oldest first, the present one last. */
export function statesAfter(generation: ImageGeneration, known: StateVersion | null): ImageGeneration[] {
  const present = versionOf(generation);
  if (!known) return [generation];
  if (!isLater(present, known)) return [];
  const between = (generation.moves ?? []).filter(({ number }) => number > known.number && number < present.number);
  return [...between.map((move) => asOf(generation, move)), generation];
}

/** As it was after an earlier move: what only a later one has written is not there yet. */
function asOf(generation: ImageGeneration, { number, status, startedAt }: Move): ImageGeneration {
  const { startedAt: _, completedAt, failedAt, processingTime, errorMessage, ...kept } = generation;
  return {
    ...kept,
    status,
    outputImages: [],
    moves: (kept.moves ?? []).filter((move) => move.number <= number),
    ...(startedAt && { startedAt }),
  };
}
