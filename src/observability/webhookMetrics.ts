import { Counter, Histogram, type Registry } from 'prom-client';

/** Seconds. */
const BUCKETS = [0.05, 0.1, 0.5, 1, 5, 30, 120, 600, 3600];

/** Measures what is sent to the endpoints of users. All labels are words of the code. */
export function webhookMetrics(registry: Registry) {
  const registers = [registry];
  const attempts = new Counter({
    name: 'artifex_webhook_attempts_total',
    help: 'Attempts to deliver an event, by what they have come to',
    labelNames: ['outcome'] as const,
    registers,
  });
  const deliveries = new Counter({
    name: 'artifex_webhook_deliveries_total',
    help: 'Deliveries that have ended, by how',
    labelNames: ['status'] as const,
    registers,
  });
  const lag = new Histogram({
    name: 'artifex_webhook_lag_seconds',
    help: 'How long after they were due attempts began',
    buckets: BUCKETS,
    registers,
  });
  const disabled = new Counter({
    name: 'artifex_webhook_endpoints_disabled_total',
    help: 'Endpoints that were disabled since their receivers failed or wanted nothing more',
    labelNames: ['reason'] as const,
    registers,
  });

  return {
    attempted(outcome: string, lateSeconds: number): void {
      attempts.inc({ outcome });
      lag.observe(lateSeconds);
    },
    ended(status: string): void {
      deliveries.inc({ status });
    },
    endpointDisabled(reason: string): void {
      disabled.inc({ reason });
    },
  };
}
