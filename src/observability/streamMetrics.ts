import { Gauge, type Registry } from 'prom-client';

/**
 * Counts the event streams that are open.
 *
 * @returns to be told of each that begins (1) and ends (-1)
 */
export function streamMetrics(registry: Registry) {
  const open = new Gauge({
    name: 'artifex_event_streams',
    help: 'Event streams that are open',
    registers: [registry],
  });
  return function streamsChanged(change: 1 | -1): void {
    open.inc(change);
  };
}
