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

describe.each(['bun', 'node'] as const)('a process on %s', (runtime) => {
  it('counts failed authentications by the other end of the socket, and nothing that a client says of itself', async () => {
    const server = await cluster.start(runtime, { ARTIFEX_WORKER: 'off', RATE_LIMIT_ADDRESS_PER_MINUTE: '5' });
    const statuses: number[] = [];
    for (let time = 0; time < 7; time += 1) {
      const headers = { Authorization: 'Bearer a.b.c', 'X-Forwarded-For': `203.0.113.${time}` };
      const response = await fetch(`${server.url}/v1/me`, { headers });
      await response.arrayBuffer();
      statuses.push(response.status);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
    await server.end();
  });

  it('tells clients apart by what its trusted proxy says', async () => {
    const env = { ARTIFEX_WORKER: 'off', RATE_LIMIT_ADDRESS_PER_MINUTE: '2', TRUSTED_PROXY: '1' };
    const server = await cluster.start(runtime, env);
    const ask = async (client: string) => {
      const headers = { 'X-Forwarded-For': `198.51.100.1, ${client}` };
      const response = await fetch(`${server.url}/docs`, { headers });
      await response.arrayBuffer();
      return response.status;
    };
    const one = [await ask('203.0.113.1'), await ask('203.0.113.1'), await ask('203.0.113.1')];
    expect([...one, await ask('203.0.113.2')]).toEqual([200, 200, 429, 200]);
    await server.end();
  });
});
