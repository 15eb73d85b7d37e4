import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProcess, temporaryFolder } from '../support/processes.ts';
import { type RunningRuntime, START_PATIENCE_MS, startRuntime } from '../support/runtimes.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

/** The development environment of somebody who has set nothing. */
const nothingSet = () => ({ NODE_ENV: undefined, MONGODB_URI: undefined, ARTIFEX_DATA_DIR: folder.path });

describe('start:deno and start:worker with nothing set', () => {
  const servers: RunningRuntime[] = [];
  beforeAll(async () => {
    servers.push(await startRuntime('deno', nothingSet()));
    servers.push(await startRuntime('worker', nothingSet()));
  }, START_PATIENCE_MS);
  afterAll(async () => {
    for (const server of servers.reverse()) expect(await server.end()).toBe(0);
  }, START_PATIENCE_MS);

  it('share the embedded database of the first, and believe the tokens of `npm run token`', async () => {
    const command = startProcess('node', ['scripts/run.mjs', 'token', 'user_of_both'], nothingSet());
    const token = await command.waitFor((line) => /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.exec(line)?.[0]);
    await command.closed;
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    const body = JSON.stringify({ credits: 1 });
    const answers: unknown[] = [];
    for (const { url } of servers) {
      const response = await fetch(`${url}/v1/quota/consume`, { method: 'POST', headers, body });
      expect(response.status).toBe(200);
      answers.push(await response.json());
    }

    expect(answers).toMatchObject([{ quota: { remaining: 9 } }, { quota: { remaining: 8 } }]);
  });

  it('print a line that creates an image', () => {
    for (const { output, url } of servers) {
      expect(output.filter((line) => line.startsWith(`curl -s -X POST ${url}/v1/generations `))).toHaveLength(1);
    }
  });
});

describe.each(['deno', 'worker'])('start:%s in a bad environment', (runtime) => {
  it.each([
    [{ NODE_ENV: 'staging' }, /NODE_ENV/],
    [{ MONGODB_URI: 'postgres://localhost/artifex' }, /MONGODB_URI/],
    [{ HOST: '192.0.2.1', MONGODB_URI: 'mongodb://127.0.0.1:9/artifex' }, /HOST/],
  ])('%j ends with one clear line and a non-zero status', { timeout: START_PATIENCE_MS }, async (env, words) => {
    const given = { ARTIFEX_DATA_DIR: folder.path, LOG_LEVEL: 'silent', ...env };
    const server = startProcess('node', ['scripts/run.mjs', `start:${runtime}`], given);
    await server.closed;

    expect(server.child.exitCode).toBe(1);
    expect(server.output).toEqual([expect.stringMatching(words)]);
  });
});
