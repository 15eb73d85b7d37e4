import { Counter, type Registry } from 'prom-client';

/** Counts how often a cache had what was asked of it. */
export function cacheMetrics(registry: Registry) {
  const lookups = new Counter({
    name: 'artifex_cache_lookups_total',
    help: 'Look-ups in a cache of this process',
    labelNames: ['cache', 'result'] as const,
    registers: [registry],
  });
  return function lookedUp(cache: string, isHit: boolean): void {
    lookups.inc({ cache, result: isHit ? 'hit' : 'miss' });
  };
}
