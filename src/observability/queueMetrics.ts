import { Counter, Gauge, type Registry } from 'prom-client';
import type { Log } from '../config/log.ts';

/** How the queue stands at one moment; a number may be the most that was counted. */
export interface QueueState {
  /** In the queue: any worker may claim them. */
  queued: number;
  /** Outside the queue, until a generation of the same user ends. */
  waiting: number;
  /** For how long the first in the queue has waited; 0 when it is empty. */
  oldestSeconds: number;
}

/** Milliseconds for which a reading serves every scrape: whoever scrapes more often costs the database nothing. */
const READING_LASTS_MS = 5_000;
/** Milliseconds that a scrape waits for a reading. Without one it tells nothing of the queue, and the rest all the same. */
const PATIENCE_MS = 1_000;

/** Measures the queue, which is one for all processes, and the leases that this process has seen lost. */
export function queueMetrics(registry: Registry, log: Log) {
  const registers = [registry];
  const lost = new Counter({
    name: 'artifex_leases_lost_total',
    help: 'Attempts that this process has ended since their worker was silent or took too long',
    registers,
  });

  return {
    leasesLost: (count: number) => lost.inc(count),
    /** @param read asks the database, in a time that does not follow how much waits */
    watch(read: () => Promise<QueueState>): void {
      const state = remembered(read, log);
      const labelled = (name: string, help: string, show: (gauge: Gauge<'place'>, state: QueueState) => void) =>
        new Gauge({
          name,
          help,
          labelNames: ['place'] as const,
          registers,
          async collect() {
            this.reset();
            const now = await state();
            if (now) show(this, now);
          },
        });
      labelled(
        'artifex_queue_depth',
        'Generations that wait, for a worker or for another one of their user',
        (gauge, now) => {
          gauge.set({ place: 'queued' }, now.queued);
          gauge.set({ place: 'waiting' }, now.waiting);
        },
      );
      labelled('artifex_queue_age_seconds', 'For how long the first in the queue has waited', (gauge, now) => {
        gauge.set({ place: 'queued' }, now.oldestSeconds);
      });
    },
  };
}

/** The last reading while it lasts, else a new one; null where there is none in time. One at a time is under way. */
function remembered(read: () => Promise<QueueState>, log: Log): () => Promise<QueueState | null> {
  let reading: Promise<QueueState | null> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;

  async function readNow(): Promise<QueueState | null> {
    try {
      return await read();
    } catch (error) {
      log.debug('the queue could not be measured', { error: error instanceof Error ? error.message : 'unknown' });
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
