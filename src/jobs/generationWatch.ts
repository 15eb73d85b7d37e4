import type { Types } from 'mongoose';
import { errorFields } from '../config/log.ts';
import { versionOf, versionText } from '../domain/moves.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';
import { openGenerationChanges, readGenerations, readVersions } from '../repositories/generationChanges.ts';
import type { Context } from '../workflows/context.ts';
import type { GenerationWatch } from '../workflows/followGeneration.ts';
import type { RunningJob } from './repeat.ts';

/** Milliseconds in which changes gather, so that a burst costs one read. */
const GATHER_MS = 10;
/** Milliseconds between two looks at what is watched, while there is no change stream. */
const POLL_MS = 1_000;
/** Milliseconds until a change stream is tried again. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

interface Watched {
  id: Types.ObjectId;
  listeners: Set<(generation: ImageGeneration | null) => void>;
  /** The state that the listeners were told of last. */
  version?: string;
}

/**
 * Watches generations for everybody in this process at once: one change stream of the collection, open while anybody listens, and one read
 * for whatever it tells of. Where the database has no change streams, or none now, all that is watched is looked at once a second by one
 * query. Whenever a stream is opened, everything watched is read, so that nothing falls between.
 *
 * @param listening told of each listener who comes (1) and goes (-1)
 */
export function createGenerationWatch(
  ctx: Context,
  listening: (change: 1 | -1) => void = () => {},
): GenerationWatch & RunningJob {
  const watched = new Map<string, Watched>();
  const changed = new Set<string>();
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));
  let watching: Promise<void> | undefined;
  let reading: Promise<void> | undefined;

  const isNeeded = () => watched.size > 0 && !stopping.signal.aborted;
  const pause = (milliseconds: number) => Promise.race([stopped, sleep(milliseconds)]);
  const everything = () => [...watched.values()].map(({ id }) => id);

  async function watch(): Promise<void> {
    let failures = 0;
    while (isNeeded()) {
      try {
        await followChanges(() => {
          failures = 0;
        });
      } catch (error) {
        if (!isNeeded()) break;
        const retryInMs = Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
        failures += 1;
        ctx.log.warn('generations are polled until they can be watched', { retryInMs, ...errorFields(error) });
        await pollFor(retryInMs);
      }
    }
    watching = undefined;
  }

  async function followChanges(opened: () => void): Promise<void> {
    const changes = openGenerationChanges(ctx);
    try {
      let coming = changes.next();
      await Promise.race([changes.opened, coming, stopped]);
      opened();
      look(everything());
      while (isNeeded()) {
        const ids = await Promise.race([coming, stopped]);
        if (!ids) break;
        look(ids);
        if (ids.length > 0) await pause(GATHER_MS);
        coming = changes.next();
      }
      // Its outcome, after the end, is of no interest.
      coming.catch(() => {});
    } finally {
      await changes.close();
    }
  }

  async function pollFor(milliseconds: number): Promise<void> {
    for (const end = performance.now() + milliseconds; isNeeded() && performance.now() < end; await pause(POLL_MS)) {
      try {
        const found = await readVersions(ctx, everything());
        const versions = new Map(found.map(({ id, version }) => [id.toHexString(), versionText(version)]));
        look([...watched].filter(([key, { version }]) => versions.get(key) !== version).map(([, { id }]) => id));
      } catch (error) {
        ctx.log.debug('watched generations could not be read', errorFields(error));
      }
    }
  }

  /** Reads those of these that anybody watches, and tells them. */
  function look(ids: readonly Types.ObjectId[]): void {
    for (const key of ids.map((id) => id.toHexString())) if (watched.has(key)) changed.add(key);
    if (changed.size > 0) reading ??= readChanged();
  }

  async function readChanged(): Promise<void> {
    while (changed.size > 0 && isNeeded()) {
      const asked = [...changed].flatMap((key) => watched.get(key) ?? []);
      changed.clear();
      try {
        tell(
          asked,
          await readGenerations(
            ctx,
            asked.map(({ id }) => id),
          ),
        );
      } catch (error) {
        ctx.log.debug('changed generations could not be read', errorFields(error));
        for (const { id } of asked) changed.add(id.toHexString());
        await pause(POLL_MS);
      }
    }
    reading = undefined;
  }

  function tell(asked: readonly Watched[], found: readonly ImageGeneration[]): void {
    const generations = new Map(found.map((generation) => [generation._id.toHexString(), generation]));
    for (const entry of asked) {
      const generation = generations.get(entry.id.toHexString());
      const present = generation && !generation.isDeleted ? generation : null;
      if (present) entry.version = versionText(versionOf(present));
      for (const told of [...entry.listeners]) told(present);
    }
  }

  return {
    subscribe(id, told) {
      if (stopping.signal.aborted) {
        told(null);
        return () => {};
      }
      const key = id.toHexString();
      const entry = watched.get(key) ?? { id, listeners: new Set() };
      // Each subscription is one of its own, whoever else has the same function.
      const listener = (generation: ImageGeneration | null) => told(generation);
      watched.set(key, entry);
      entry.listeners.add(listener);
      listening(1);
      watching ??= watch();
      return () => {
        if (!entry.listeners.delete(listener)) return;
        if (entry.listeners.size === 0) watched.delete(key);
        listening(-1);
      };
    },
    async stop() {
      stopping.abort();
      for (const { listeners } of [...watched.values()]) for (const told of [...listeners]) told(null);
      await Promise.all([watching, reading]);
    },
  };
}

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
