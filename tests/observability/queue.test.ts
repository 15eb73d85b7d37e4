import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { type QueueState, queueMetrics } from '@/observability/queueMetrics.ts';
import { keptLog } from '../support/api.ts';

const STATE: QueueState = { queued: 3, waiting: 40, oldestSeconds: 12 };

function measured(read: () => Promise<QueueState>) {
  const registry = new Registry();
  const metrics = queueMetrics(registry, keptLog().log);
  metrics.watch(read);
  return { metrics, scrape: () => registry.metrics() };
}

describe('the metrics of the queue', () => {
  it('tell how many wait where, and since when', async () => {
    const text = await measured(async () => STATE).scrape();
    expect(text).toContain('artifex_queue_depth{place="queued"} 3\n');
    expect(text).toContain('artifex_queue_depth{place="waiting"} 40\n');
    expect(text).toContain('artifex_queue_age_seconds{place="queued"} 12\n');
  });

  it('ask the database once for many scrapes at about the same time', async () => {
    let reads = 0;
    const { scrape } = measured(async () => {
      reads += 1;
      return STATE;
    });
    await Promise.all([scrape(), scrape(), scrape()]);
    await scrape();
    expect(reads).toBe(1);
  });

  it('leave the queue out when the database fails or does not answer, and show the rest', async () => {
    for (const read of [() => Promise.reject(new Error('away')), () => new Promise<QueueState>(() => {})]) {
      const { metrics, scrape } = measured(read);
      metrics.leasesLost(2);
      const text = await scrape();
      expect(text).not.toMatch(/^artifex_queue_depth\{/m);
      expect(text).toContain('artifex_leases_lost_total 2\n');
    }
  });
});
