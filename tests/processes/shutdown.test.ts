import { describe, expect, it } from 'vitest';
import { generationsOf } from '@/models/collections.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';
import type { Runtime } from '../support/processes.ts';

const store = useDatabase();
const cluster = useCluster(store);
const IMAGE = JSON.stringify({ type: 'text-to-image', prompt: 'A quiet bay', quality: 'hd', count: 1 });

describe.each<Runtime>(['bun', 'node'])('SIGTERM on %s', (runtime) => {
  it('answers what was asked, leaves no lease, and ends with status 0', async () => {
    const server = await cluster.start(runtime);
    const authorizations = await Promise.all(
      Array.from({ length: 12 }, () => cluster.authorizationOf(cluster.newPerson())),
    );
    const requests = authorizations.flatMap((Authorization) =>
      Array.from({ length: 4 }, () =>
        fetch(`${server.url}/v1/generations`, {
          method: 'POST',
          headers: { Authorization, 'Content-Type': 'application/json' },
          body: IMAGE,
        }).then(
          async (response) => ({ status: response.status, body: await response.json() }),
          // A connection that had not been accepted yet is refused, not cut off.
          (error: unknown) => ({ status: 0, body: error }),
        ),
      ),
    );
    await Promise.race(requests);
    const status = await server.end();
    const answers = await Promise.all(requests);
    expect(status).toBe(0);
    const created = answers.filter((answer) => answer.status === 201);
    expect(answers.every((answer) => answer.status === 201 || answer.status === 0)).toBe(true);
    expect(created.length).toBeGreaterThan(0);
    expect(await generationsOf(store).countDocuments({ lease: { $exists: true } })).toBe(0);
    expect(await generationsOf(store).countDocuments({ status: 'processing' })).toBe(0);
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  });
});
