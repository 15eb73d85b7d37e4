import type { Log } from '../config/log.ts';

/** Milliseconds for which a reading serves everybody: whoever asks more often costs the database nothing. */
const READING_LASTS_MS = 5_000;
/** Milliseconds that a reading is waited for. */
const PATIENCE_MS = 1_000;

/** The last reading while it lasts, else a new one; null where there is none in time. One at a time is under way. */
export function remembered<Reading>(
  read: () => Promise<Reading>,
  what: string,
  log: Log,
): () => Promise<Reading | null> {
  let reading: Promise<Reading | null> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;

  async function readNow(): Promise<Reading | null> {
    try {
      return await read();
    } catch (error) {
      log.debug(`${what} could not be read`, { error: error instanceof Error ? error.message : 'unknown' });
      return null;
    } finally {
      readAt = performance.now();
    }
  }

  return function latest() {
    if (!reading || performance.now() - readAt > READING_LASTS_MS) {
      readAt = Number.POSITIVE_INFINITY;
      reading = readNow();
    }
    return Promise.race([reading, afterPatience()]);
  };
}

async function afterPatience(): Promise<null> {
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  return null;
}
