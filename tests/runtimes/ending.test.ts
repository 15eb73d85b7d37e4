import { request } from 'node:http';
import { startEmbeddedMongo } from 'embedded-mongo';
import mongoose from 'mongoose';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { z } from 'zod';
import { createPeople, type People } from '../support/people.ts';
import { temporaryFolder } from '../support/processes.ts';
import { RUNTIMES, type RunningRuntime, START_PATIENCE_MS, startRuntime } from '../support/runtimes.ts';

const IMAGE = JSON.stringify({ type: 'text-to-image', prompt: 'A quiet bay', quality: 'hd' });
const serverStatus = z.object({ connections: z.object({ current: z.number() }) });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let people: People;
beforeAll(async () => {
  [folder, people] = await Promise.all([temporaryFolder(), createPeople()]);
});
afterAll(() => folder.remove());

type OnTestFinished = TestContext['onTestFinished'];

/** A database server for one test alone, so that its connections can be counted. */
async function ownDatabase(onTestFinished: OnTestFinished) {
  const mongo = await startEmbeddedMongo();
  const observer = await mongoose.createConnection(mongo.uriFor('ending'), { maxPoolSize: 1 }).asPromise();
  onTestFinished(async () => {
    await observer.close();
    await mongo.stop();
  });
  const connections = async () =>
    serverStatus.parse(await observer.db?.admin().command({ serverStatus: 1 })).connections.current;
  return {
    generations: observer.collection('imagegenerations'),
    connections,
    /** What the driver has given back is closed a moment later. */
    async untilConnections(isRight: (current: number) => boolean): Promise<void> {
      while (!isRight(await connections())) await new Promise((resolve) => setTimeout(resolve, 50));
    },
    start(runtime: (typeof RUNTIMES)[number], env: Record<string, string> = {}): Promise<RunningRuntime> {
      const given = { ...people.env, MONGODB_URI: mongo.uriFor('ending'), ARTIFEX_DATA_DIR: folder.path };
      return startRuntime(runtime, { ...given, ...env });
    },
  };
}

function createAll(url: string, authorizations: readonly { Authorization: string }[]) {
  return authorizations.map((authorization) =>
    fetch(`${url}/v1/generations`, {
      method: 'POST',
      headers: { ...authorization, 'Content-Type': 'application/json' },
      body: IMAGE,
    }).then(
      async (response) => ({ status: response.status, body: await response.text() }),
      // A connection that had not been accepted yet is refused, not cut off.
      (error: unknown) => ({ status: 0, body: String(error) }),
    ),
  );
}

/** A request whose body is still on its way. */
function createSlowly(url: string, authorization: { Authorization: string }) {
  const headers = { ...authorization, 'Content-Type': 'application/json', 'Content-Length': IMAGE.length };
  const sending = request(`${url}/v1/generations`, { method: 'POST', headers });
  const status = new Promise<number | undefined>((resolve, reject) => {
    sending.on('response', (answer) => resolve(answer.resume().statusCode));
    sending.on('error', reject);
  });
  sending.write(IMAGE.slice(0, 10));
  return {
    sendRest: () => sending.end(IMAGE.slice(10)),
    status,
  };
}

const newcomers = (count: number) => Promise.all(Array.from({ length: count }, () => people.newcomer()));

const ENDINGS = RUNTIMES.flatMap((runtime) => [
  [runtime, 'SIGTERM' as const] as const,
  [runtime, 'SIGINT' as const] as const,
]);

describe.each(ENDINGS)('%s at %s', (runtime, signal) => {
  it('answers what was asked, gives leases and connections back, and ends with status 0', {
    timeout: START_PATIENCE_MS,
  }, async ({ onTestFinished }) => {
    const { connections, untilConnections, generations, start } = await ownDatabase(onTestFinished);
    const before = await connections();
    const server = await start(runtime);
    const slow = createSlowly(server.url, await people.newcomer());
    const requests = createAll(server.url, await newcomers(24));
    await Promise.race(requests);
    const ended = server.end(signal);
    await server.ending;
    slow.sendRest();
    expect(await slow.status).toBe(201);
    const status = await ended;
    const answers = await Promise.all(requests);

    expect(answers.filter((answer) => answer.status !== 201 && answer.status !== 0)).toEqual([]);
    const created = answers.filter((answer) => answer.status === 201);
    expect(created.length).toBeGreaterThan(0);
    for (const { body } of created) expect(JSON.parse(body)).toMatchObject({ credits: 2 });
    expect(status).toBe(0);
    expect(await generations.countDocuments({ lease: { $exists: true } })).toBe(0);
    expect(await generations.countDocuments()).toBe(created.length + 1);
    await untilConnections((current) => current === before);
  });
});

// What follows waits more than it works.
describe.concurrent('whoever sends half a request and no more', () => {
  it('keeps no process from ending cleanly', { timeout: 2 * START_PATIENCE_MS }, async ({ onTestFinished }) => {
    const { start } = await ownDatabase(onTestFinished);
    const servers = await Promise.all(RUNTIMES.map((runtime) => start(runtime)));
    const endings = servers.map(async (server) => {
      const stalled = createSlowly(server.url, await people.newcomer());
      // The proxy before a Worker says 502, the others nothing.
      const status = stalled.status.catch(() => 502);
      await Promise.all(createAll(server.url, await newcomers(1)));
      expect(await server.end()).toBe(0);
      expect(server.output.at(-1)).toContain('"msg":"stopped"');
      expect(await status).toBe(502);
    });
    await Promise.all(endings);
  });
});

describe.concurrent.each(RUNTIMES)('the connections of %s', (runtime) => {
  it('stay within its pools, however much is asked, and a request after idling is answered', {
    timeout: START_PATIENCE_MS,
  }, async ({ onTestFinished }) => {
    const { connections, untilConnections, start } = await ownDatabase(onTestFinished);
    const server = await start(runtime, { ARTIFEX_WORKER: 'off' });
    try {
      const quiet = await connections();
      let most = 0;
      for (let burst = 0; burst < 3; burst += 1) {
        const statuses = await Promise.all(
          (await newcomers(100)).map(async (headers) => {
            const response = await fetch(`${server.url}/v1/quota`, { headers });
            await response.arrayBuffer();
            return response.status;
          }),
        );
        expect(new Set(statuses)).toEqual(new Set([200]));
        most = Math.max(most, await connections());
      }
      expect(most - quiet).toBeLessThanOrEqual(POOLS[runtime]);
      // Objects let go of the database when nobody asks; processes keep what they have.
      if (runtime === 'worker') await untilConnections((current) => current <= quiet);
      else await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      const later = await fetch(`${server.url}/v1/quota`, { headers: await people.newcomer() });
      expect(later.status).toBe(200);
    } finally {
      await server.end();
    }
  });
});

/** Longer than the driver waits between two looks at the server. */
const IDLE_MS = 11_000;

/** A process has a pool of 32; an object one of 3 and a connection that watches the server, and there are four objects. */
const POOLS = { bun: 32, node: 32, deno: 32, worker: 16 } as const;
