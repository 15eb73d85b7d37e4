import { Counter, Histogram, type Registry } from 'prom-client';
import type { Log } from '../config/log.ts';
import type { InboxDepth } from '../domain/inbox.ts';
import { gaugeOf } from './gauges.ts';
import { remembered } from './remembered.ts';

/** Seconds. */
const BUCKETS = [0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600, 86_400];

/**
 * Measures what others tell of: what became of each attempt to apply an event, how old the event was by then, and what has not come to
 * its end, of all processes together.
 */
export function inboxMetrics(registry: Registry, log: Log) {
  const registers = [registry];
  const attempts = new Counter({
    name: 'artifex_inbox_attempts_total',
    help: 'Attempts to apply an event, by its source and by what became of it',
    labelNames: ['source', 'outcome'] as const,
    registers,
  });
  const lag = new Histogram({
    name: 'artifex_inbox_lag_seconds',
    help: 'From when an event was received until it was applied',
    labelNames: ['source'] as const,
    buckets: BUCKETS,
    registers,
  });
  const problems = new Counter({
    name: 'artifex_billing_problems_total',
    help: 'Subscriptions that a person has to look at, by what is wrong',
    labelNames: ['problem'] as const,
    registers,
  });

  return {
    attempted(source: string, outcome: string, lagSeconds: number): void {
      attempts.inc({ source, outcome });
      if (outcome === 'applied') lag.observe({ source }, lagSeconds);
    },
    needsPerson(problem: string): void {
      problems.inc({ problem });
    },
    /** @param read asks the database, in a time that does not follow the history */
    watch(read: () => Promise<InboxDepth[]>): void {
      const depth = remembered(read, 'the inbox', log);
      gaugeOf(registry, depth, {
        name: 'artifex_inbox_depth',
        help: 'Events that have not come to their end, by source and state',
        labelNames: ['source', 'state'],
        show(gauge, now) {
          for (const { source, state, events } of now) gauge.set({ source, state }, events);
        },
      });
      gaugeOf(registry, depth, {
        name: 'artifex_inbox_age_seconds',
        help: 'For how long the oldest of them has been here',
        labelNames: ['source', 'state'],
        show(gauge, now) {
          for (const { source, state, oldestSeconds } of now) gauge.set({ source, state }, oldestSeconds);
        },
      });
    },
  };
}
