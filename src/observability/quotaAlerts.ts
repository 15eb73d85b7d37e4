import { Counter, type Registry } from 'prom-client';
import type { Log } from '../config/log.ts';
import type { QuotaAlert } from '../domain/alerts.ts';

/**
 * Tells operators of users whose usage has reached a level: a line in the log and a count. What a user is told, and whether, is
 * the business of their settings and of another channel.
 */
export function quotaAlerts(registry: Registry, log: Log) {
  const alerts = new Counter({
    name: 'artifex_quota_alerts_total',
    help: 'Users whose usage has reached this percentage of their credits, once a period',
    labelNames: ['tier', 'level'] as const,
    registers: [registry],
  });
  return function alertQuota({ userId, tier, level }: QuotaAlert): void {
    alerts.inc({ tier, level });
    // In a line of the log, `level` is its own.
    log.info('quota alert', { userId, tier, percent: level });
  };
}
