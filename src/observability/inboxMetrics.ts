import { Counter, Histogram, type Registry } from 'prom-client';

/** Seconds. */
const BUCKETS = [0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600, 86_400];

/** Measures what others tell of: what became of each attempt to apply an event, and how old the event was by then. */
export function inboxMetrics(registry: Registry) {
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
  };
}
