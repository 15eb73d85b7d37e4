import { Types } from 'mongoose';
import { errorFields, type Log } from '../config/log.ts';
import type { Published } from '../workflows/publishEvents.ts';

/** Publishes, behind the requests, what generations that this process has moved have to announce. */
export interface Announcer {
  notice(generationId: Types.ObjectId): void;
  /** Resolves when everything noticed so far is published or left to the sweeper. */
  drained(): Promise<void>;
}

/** Milliseconds to wait for company: generations noticed together are published by one round of commands. */
const GATHERING_MS = 20;
const BATCH = 100;

/** @param publish publishes what these generations announce */
export function createAnnouncer(publish: (ids: Types.ObjectId[]) => Promise<Published>, log: Log): Announcer {
  const noticed = new Set<string>();
  let draining: Promise<void> | undefined;

  async function drain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHERING_MS));
    while (noticed.size > 0) {
      const batch = [...noticed].slice(0, BATCH);
      for (const id of batch) noticed.delete(id);
      await publish(batch.map((id) => new Types.ObjectId(id))).catch((error: unknown) => {
        log.warn('events are left to the sweeper', { generations: batch.length, ...errorFields(error) });
      });
    }
    draining = undefined;
  }

  return {
    notice(generationId) {
      noticed.add(generationId.toHexString());
      draining ??= drain();
    },
    async drained() {
      await draining;
    },
  };
}
