import mongoose, { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorkerd, type Workerd } from '../../scripts/workerd.ts';
import { problemOf } from '../support/api.ts';
import { databaseUri } from '../support/database.ts';
import { parseExposition, sumOf } from '../support/exposition.ts';
import { createTokenIssuer } from '../support/tokens.ts';

const PATIENCE_MS = 90_000;
const DATABASE = `worker_${new Types.ObjectId().toHexString()}`;

/** The Worker in workerd, as `wrangler dev` runs it, with those variables, and what it has written. */
async function startWorker(variables: Record<string, string>) {
  const output: string[] = [];
  const workerd = await startWorkerd({ variables, told: (line) => output.push(line) });
  return { ...workerd, output };
}

describe('the Worker', () => {
  let worker: Workerd;
  let authorization: { Authorization: string };

  beforeAll(async () => {
    const issuer = await createTokenIssuer();
    authorization = { Authorization: `Bearer ${await issuer.sign({ exp: Math.floor(Date.now() / 1000) + 600 })}` };
    worker = await startWorker({
      NODE_ENV: 'test',
      MONGODB_URI: databaseUri(DATABASE),
      CLERK_JWT_KEY: issuer.publicKeyPem,
      CLERK_PUBLISHABLE_KEY: issuer.publishableKey,
    });
  }, PATIENCE_MS);

  afterAll(async () => {
    await worker.stop();
    const connection = await mongoose.createConnection(databaseUri(DATABASE)).asPromise();
    await connection.dropDatabase();
    await connection.close();
  }, PATIENCE_MS);

  it('lives, and reaches the database', async () => {
    expect((await fetch(`${worker.url}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${worker.url}/readyz`)).json()).toMatchObject({ database: { isConnected: true } });
  });

  it('has the unique indexes built before it writes', async () => {
    await fetch(`${worker.url}/readyz`);
    const connection = await mongoose.createConnection(databaseUri(DATABASE)).asPromise();
    const indexes = await connection.collection('users').indexes();
    await connection.close();

    expect(indexes).toContainEqual(expect.objectContaining({ key: { clerkUserId: 1 }, unique: true }));
  });

  it('charges, and settles behind the answer', async () => {
    const created = await fetch(`${worker.url}/v1/generations`, {
      method: 'POST',
      headers: { ...authorization, 'Content-Type': 'application/json' },
      body: JSON.stringify({ type: 'text-to-image', prompt: 'A lighthouse' }),
    });
    const ledger = await fetch(`${worker.url}/v1/quota/ledger`, { headers: authorization });

    expect(created.status).toBe(201);
    expect(await ledger.json()).toMatchObject({ data: [{ kind: 'charge', credits: 1, balance: 9 }] });
  });

  it('answers many at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const response = await fetch(`${worker.url}/v1/quota`, { headers: authorization });
        await response.arrayBuffer();
        return response.status;
      }),
    );

    expect(answers).toEqual(Array.from({ length: 30 }, () => 200));
  });

  it('sweeps by schedule, and does the jobs that are due and need no disk', async () => {
    const connection = await mongoose.createConnection(databaseUri(DATABASE)).asPromise();
    const jobs = connection.collection('jobs');
    const first = await fetch(`${worker.url}/cdn-cgi/local/scheduled`);
    expect(await first.text()).toBe('ok');
    await jobs.updateMany({}, { $set: { doneFor: new Date(0) } });
    const second = await fetch(`${worker.url}/cdn-cgi/local/scheduled`);
    expect(await second.text()).toBe('ok');
    const states = await jobs.find({}).sort({ _id: 1 }).toArray();
    await connection.close();

    expect(states).toMatchObject([
      { lastRun: { outcome: 'succeeded', result: { usersReset: 0 } } },
      { lastRun: { outcome: 'succeeded', result: { generations: expect.any(Number) } } },
      { lastRun: { outcome: 'succeeded', result: { attemptsEnded: 0 } } },
      { _id: 'waiting-webhooks', lastRun: { outcome: 'succeeded' } },
      { _id: 'webhook-history', lastRun: { outcome: 'succeeded' } },
    ]);
  });

  it('measures what its objects do, also their connections', async () => {
    const samples = parseExposition(await (await fetch(`${worker.url}/metrics`)).text());

    expect(sumOf(samples, 'artifex_http_requests_total', { route: '/healthz', status: '200' })).toBeGreaterThan(0);
    expect(
      sumOf(samples, 'artifex_database_command_duration_seconds_count', {
        command: 'findAndModify',
        collection: 'users',
      }),
    ).toBeGreaterThan(0);
    expect(sumOf(samples, 'artifex_database_pool_size')).toBeGreaterThan(0);
  });

  it('has no pictures', async () => {
    const problem = await problemOf(await fetch(`${worker.url}/images/${'a'.repeat(24)}.png`));

    expect(problem.code).toBe('not_found');
  });
});

describe('a Worker without its variables', () => {
  it(
    'refuses every request, and names in its log what is missing',
    async () => {
      const worker = await startWorker({ NODE_ENV: 'development' });
      const problem = await problemOf(await fetch(`${worker.url}/healthz`));
      await worker.stop();

      expect(problem).toMatchObject({ status: 503, code: 'unavailable' });
      expect(problem.detail).not.toContain('MONGODB_URI');
      expect(worker.output.join('\n')).toContain('MONGODB_URI is missing');
    },
    PATIENCE_MS,
  );
});
