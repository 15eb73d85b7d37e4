import { describe, expect, it } from 'vitest';
import { createPlace } from '../../bench/http/servers.ts';
import { measureWebhooks } from '../../bench/http/webhooks.ts';

describe('a hundred webhooks and requests beside them', () => {
  it('are all applied, each once, and leave every subscription as Stripe has it', { timeout: 60_000 }, async () => {
    const place = await createPlace();
    try {
      const row = await measureWebhooks(place, 'bun', { customers: 20, rate: 50, seconds: 2, requests: 10 });
      expect(row).toMatchObject({ webhooks: 100, failed: 0, applied: 100, stale: 0, 'their failures': 0 });
    } finally {
      await place.remove();
    }
  });
});
