import { describe, expect, it } from 'vitest';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
const cluster = useCluster(store);
const IMAGE = JSON.stringify({ type: 'text-to-image', prompt: 'A quiet bay' });

describe('two API processes on one database', () => {
  it('give a free user with 10 credits 10 of 300 images that are asked for at once', async () => {
    const servers = await Promise.all([
      cluster.start('bun', { ARTIFEX_WORKER: 'off' }),
      cluster.start('node', { ARTIFEX_WORKER: 'off' }),
    ]);
    const Authorization = await cluster.authorizationOf(cluster.newPerson());
    const statuses = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const response = await fetch(`${servers[index % 2]?.url}/v1/generations`, {
          method: 'POST',
          headers: { Authorization, 'Content-Type': 'application/json' },
          body: IMAGE,
        });
        await response.arrayBuffer();
        return response.status;
      }),
    );
    const count = (status: number) => statuses.filter((other) => other === status).length;
    expect({ created: count(201), refused: count(402) }).toEqual({ created: 10, refused: 290 });
    const quota = await fetch(`${servers[1].url}/v1/quota`, { headers: { Authorization } });
    expect(await quota.json()).toMatchObject({ used: 10, remaining: 0, allowed: false });
    const list = await fetch(`${servers[0].url}/v1/generations?limit=100`, { headers: { Authorization } });
    expect((await list.json()).data).toHaveLength(10);
    await Promise.all(servers.map((server) => server.end()));
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  });

  it('make one generation of 50 requests at once with one Idempotency-Key', async () => {
    const servers = await Promise.all([
      cluster.start('bun', { ARTIFEX_WORKER: 'off' }),
      cluster.start('node', { ARTIFEX_WORKER: 'off' }),
    ]);
    const Authorization = await cluster.authorizationOf(cluster.newPerson());
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const response = await fetch(`${servers[index % 2]?.url}/v1/generations`, {
          method: 'POST',
          headers: { Authorization, 'Content-Type': 'application/json', 'Idempotency-Key': 'one' },
          body: IMAGE,
        });
        const { id } = await response.json();
        return { id, status: response.status, replayed: response.headers.get('Idempotency-Replayed') };
      }),
    );
    expect(new Set(answers.map(({ id, status }) => `${status} ${id}`)).size).toBe(1);
    expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1);
    const ledger = await fetch(`${servers[0].url}/v1/quota/ledger`, { headers: { Authorization } });
    expect((await ledger.json()).data).toMatchObject([{ kind: 'charge', credits: 1, balance: 9 }]);
    await Promise.all(servers.map((server) => server.end()));
  });
});
