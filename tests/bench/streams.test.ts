import { describe, expect, it } from 'vitest';
import { createPlace } from '../../bench/http/servers.ts';
import { measureStreams } from '../../bench/http/streams.ts';

describe.each(['bun', 'node'] as const)('fifty event streams and requests beside them on %s', (runtime) => {
  it('lose no event and no request', { timeout: 120_000 }, async () => {
    const place = await createPlace();
    try {
      const row = await measureStreams(place, runtime, { streams: 50, rate: 200 });
      expect(row).toMatchObject({ streams: 50, failed: 0, events: 150, dropped: 0 });
      expect(row['MiB with streams']).toBeGreaterThan(0);
    } finally {
      await place.remove();
    }
  });
});
