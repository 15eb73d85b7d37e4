import { describe, expect, it } from 'vitest';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
const cluster = useCluster(store);

describe('two API processes on one database', () => {
  it('let a person ask as often as RATE_LIMIT_QUOTA_PER_MINUTE says, together', async () => {
    const env = { ARTIFEX_WORKER: 'off', RATE_LIMIT_QUOTA_PER_MINUTE: '25' };
    const servers = await Promise.all([cluster.start('bun', env), cluster.start('node', env)]);
    const Authorization = await cluster.authorizationOf(cluster.newPerson());
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const response = await fetch(`${servers[index % 2]?.url}/v1/quota`, { headers: { Authorization } });
        await response.arrayBuffer();
        return response;
      }),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(25);
    expect(refused).toHaveLength(75);
    for (const { headers } of refused) {
      expect(Number(headers.get('Retry-After'))).toBeGreaterThan(0);
      expect(headers.get('RateLimit')).toBe(`"quota";r=0;t=${headers.get('Retry-After')}`);
    }
    await Promise.all(servers.map((server) => server.end()));
  });
});
