import { describe, expect, it } from 'vitest';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';
import type { Runtime } from '../support/processes.ts';

const store = useDatabase();
const cluster = useCluster(store);
const WORKER_TOKEN = 'a-token-of-workers';
const PICTURE = { url: 'https://pictures.example.com/a.png', filename: 'a.png', size: 1 };
const ROUNDS = 20;

describe.each<Runtime>(['bun', 'node'])('a server on %s without a worker of its own', (runtime) => {
  it('hands out what has just been asked for, and the next one when one has just ended', async () => {
    const server = await cluster.start(runtime, { ARTIFEX_WORKER: 'off', WORKER_TOKEN });
    const send = (path: string, Authorization: string, body: object) =>
      fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: { Authorization, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
    const worker = (path: string, body: object) =>
      send(`/v1/worker/generations/${path}`, `Bearer ${WORKER_TOKEN}`, body);

    for (let round = 0; round < ROUNDS; round += 1) {
      const authorization = await cluster.authorizationOf(cluster.newPerson());
      const ask = async () => {
        const image = { type: 'text-to-image', prompt: `Bay ${round}` };
        return (await (await send('/v1/generations', authorization, image)).json()).id;
      };
      const asked = [await ask(), await ask()];
      for (const id of asked) {
        const claim = await worker('claim', { workerId: 'w' });
        expect(claim.status).toBe(200);
        const claimed = await claim.json();
        expect(claimed.id).toBe(id);
        // The free tier has one slot: the other one is not to be had meanwhile.
        expect((await worker('claim', { workerId: 'w' })).status).toBe(204);
        const { leaseToken } = claimed;
        expect((await worker(`${id}/complete`, { leaseToken, outputImages: [PICTURE] })).status).toBe(200);
      }
    }
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain('artifex_queue_depth{place="queued"} 0\n');
    expect(metrics).toContain('artifex_leases_lost_total 0\n');
    expect(await server.end()).toBe(0);
  });
});
