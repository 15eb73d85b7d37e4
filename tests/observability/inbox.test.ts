import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { InboxDepth } from '@/domain/inbox.ts';
import { inboxMetrics } from '@/observability/inboxMetrics.ts';
import { keptLog } from '../support/api.ts';

const DEPTH: InboxDepth[] = [
  { source: 'stripe', state: 'open', events: 3, oldestSeconds: 12.5 },
  { source: 'clerk', state: 'waiting', events: 0, oldestSeconds: 0 },
];

function measured(read: () => Promise<InboxDepth[]>) {
  const registry = new Registry();
  const metrics = inboxMetrics(registry, keptLog().log);
  metrics.watch(read);
  return { metrics, scrape: () => registry.metrics() };
}

describe('the metrics of the inbox', () => {
  it('tell how many events of each source are in each state, and since when', async () => {
    const text = await measured(async () => DEPTH).scrape();
    expect(text).toContain('artifex_inbox_depth{source="stripe",state="open"} 3\n');
    expect(text).toContain('artifex_inbox_depth{source="clerk",state="waiting"} 0\n');
    expect(text).toContain('artifex_inbox_age_seconds{source="stripe",state="open"} 12.5\n');
  });

  it('ask the database once for many scrapes at about the same time', async () => {
    let reads = 0;
    const { scrape } = measured(async () => {
      reads += 1;
      return DEPTH;
    });
    await Promise.all([scrape(), scrape(), scrape()]);
    await scrape();
    expect(reads).toBe(1);
  });

  it('leave the inbox out when the database fails, and show the rest', async () => {
    const { metrics, scrape } = measured(() => Promise.reject(new Error('away')));
    metrics.attempted('stripe', 'applied', 1);
    const text = await scrape();
    expect(text).not.toMatch(/^artifex_inbox_(depth|age_seconds)\{/m);
    expect(text).toContain('artifex_inbox_attempts_total{source="stripe",outcome="applied"} 1\n');
  });
});
