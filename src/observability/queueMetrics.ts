import { Counter, type Registry } from 'prom-client';
import type { Log } from '../config/log.ts';
import { gaugeOf } from './gauges.ts';
import { remembered } from './remembered.ts';

/** How the queue stands at one moment; a number may be the most that was counted. */
export interface QueueState {
  /** In the queue: any worker may claim them. */
  queued: number;
  /** Outside the queue, until a generation of the same user ends. */
  waiting: number;
  /** For how long the first in the queue has waited; 0 when it is empty. */
  oldestSeconds: number;
}

/**
 * Measures the queue, which is one for all processes, and the leases that this process has seen lost. Without a reading in time a scrape
 * tells nothing of the queue, and the rest all the same.
 */
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
      const state = remembered(read, 'the queue', log);
      gaugeOf(registry, state, {
        name: 'artifex_queue_depth',
        help: 'Generations that wait, for a worker or for another one of their user',
        labelNames: ['place'],
        show(gauge, now) {
          gauge.set({ place: 'queued' }, now.queued);
          gauge.set({ place: 'waiting' }, now.waiting);
        },
      });
      gaugeOf(registry, state, {
        name: 'artifex_queue_age_seconds',
        help: 'For how long the first in the queue has waited',
        labelNames: ['place'],
        show: (gauge, now) => gauge.set({ place: 'queued' }, now.oldestSeconds),
      });
    },
  };
}
