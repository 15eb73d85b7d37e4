import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProcess, temporaryFolder } from '../support/processes.ts';

const run = promisify(execFile);
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

/** The development environment of somebody who has set nothing. */
const nothingSet = () => ({ NODE_ENV: undefined, MONGODB_URI: undefined, ARTIFEX_DATA_DIR: `${folder.path}/data` });

/** What `npm start` has printed, once it has printed all of it. */
async function started() {
  const server = startProcess('node', ['scripts/run.mjs', 'start'], nothingSet());
  const line = (pattern: RegExp) => server.waitFor((text) => pattern.exec(text)?.[0]);
  const list = await line(/^curl .*limit=1.*$/);
  return {
    ...server,
    create: await line(/^curl -s -X POST .*$/),
    list,
    url: (await line(/http:\/\/127\.0\.0\.1:\d+$/)).replace(/^.*http/, 'http'),
  };
}

describe('npm start with nothing set', () => {
  it('brings database, seeds, API and worker, and prints lines that make a picture when pasted', async () => {
    const server = await started();
    const created = JSON.parse((await run('sh', ['-c', server.create])).stdout);
    expect(created).toMatchObject({ status: 'pending', credits: 1 });
    const picture = await pictureOf(server.list, created.id);
    const response = await fetch(picture);
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Type')).toBe('image/png');
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect([...bytes.slice(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const docs = await fetch(`${server.url}/docs`);
    expect(docs.status).toBe(200);
    expect(await server.end()).toBe(0);

    // What was made is there after a restart, and the books balance.
    const again = await started();
    const { data } = JSON.parse((await run('sh', ['-c', again.list])).stdout);
    expect(data[0]).toMatchObject({ id: created.id, status: 'completed' });
    // The path of the picture has survived; the port is another one.
    expect((await fetch(new URL(new URL(picture).pathname, again.url))).status).toBe(200);
    const check = startProcess('node', ['scripts/run.mjs', 'check:ledger'], nothingSet());
    await check.gone;
    expect(check.output.join('\n')).toMatch(/4 users checked: every account equals its ledger/);
    expect(check.child.exitCode).toBe(0);
    expect(await again.end()).toBe(0);
  }, 90_000);

  async function pictureOf(list: string, id: string): Promise<string> {
    for (;;) {
      const { data } = JSON.parse((await run('sh', ['-c', list])).stdout);
      const [newest] = data;
      expect(newest.id).toBe(id);
      expect(['pending', 'processing', 'completed']).toContain(newest.status);
      if (newest.status === 'completed') return newest.outputImages[0].url;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
});

describe('a signal', () => {
  it.each<[string, string[], NodeJS.Signals, 'process' | 'group']>([
    ['Ctrl-C in a terminal', ['node', 'scripts/run.mjs', 'start'], 'SIGINT', 'group'],
    ['a process manager that ends the group', ['npm', 'start'], 'SIGTERM', 'group'],
    ['a process manager that ends npm', ['npm', 'start'], 'SIGTERM', 'process'],
    ['a process manager that ends bun run', ['bun', 'run', 'start'], 'SIGTERM', 'process'],
  ])('of %s ends everything cleanly, the database last', async (_, [bin = '', ...args], signal, whom) => {
    const server = startProcess(bin, args, nothingSet(), { detached: true });
    await server.waitFor((line) => /^curl .*limit=1/.exec(line)?.[0]);
    const pid = server.child.pid ?? 0;
    process.kill(whom === 'group' ? -pid : pid, signal);
    await server.closed;
    expect(server.output.filter((line) => line.includes('"msg":"stopped"'))).toHaveLength(1);
    expect(server.output.join('\n')).not.toMatch(/"level":"error"|shutdown failed/);
  });

  it('that kills npm alone ends the rest cleanly', async () => {
    const server = startProcess('npm', ['start'], nothingSet(), { detached: true });
    await server.waitFor((line) => /^curl .*limit=1/.exec(line)?.[0]);
    server.child.kill('SIGKILL');
    await server.closed;
    expect(server.output.filter((line) => line.includes('"msg":"stopped"'))).toHaveLength(1);
  });

  it('that kills everything at once lets the next start go on', async () => {
    const server = startProcess('npm', ['start'], nothingSet(), { detached: true });
    const create = await server.waitFor((line) => /^curl -s -X POST .*$/.exec(line)?.[0]);
    const { id } = JSON.parse((await run('sh', ['-c', create])).stdout);
    process.kill(-(server.child.pid ?? 0), 'SIGKILL');
    await server.gone;
    const next = await started();
    const { data } = JSON.parse((await run('sh', ['-c', next.list])).stdout);
    expect(data[0]).toMatchObject({ id });
    expect(await next.end()).toBe(0);
  });
});

describe('a bad environment', () => {
  it.each([
    [{ NODE_ENV: 'staging' }, /NODE_ENV/],
    [{ MONGODB_URI: 'postgres://localhost/artifex' }, /MONGODB_URI/],
    [{ PORT: 'eighty' }, /PORT/],
    [{ HOST: '192.0.2.1' }, /HOST/],
    [{ MONGODB_URI: 'mongodb://127.0.0.1:9/artifex?noSuchOption=1' }, /MONGODB_URI.*noSuchOption/i],
    [{ ARTIFEX_DATA_DIR: '/dev/null' }, /ARTIFEX_DATA_DIR/],
    [{ STORAGE_URL: 'file:///dev/null/pictures' }, /STORAGE_URL/],
    [{ NODE_ENV: 'production' }, /MONGODB_URI/],
  ])('%j ends npm start with one clear line and a non-zero status', async (env, words) => {
    const server = startProcess('node', ['scripts/run.mjs', 'start'], { ...nothingSet(), ...env });
    await server.gone;
    expect(server.child.exitCode).not.toBe(0);
    expect(server.output.filter((line) => words.test(line))).toHaveLength(1);
    expect(server.output.join('\n')).not.toMatch(/^\s+at /m);
  });

  it.each([
    ['src/runtimes/node.ts', { STORAGE_URL: 'file:///proc' }, /STORAGE_URL/],
    ['src/runtimes/node.ts', { ARTIFEX_DATA_DIR: '/dev/null', STORAGE_URL: 'file:///tmp' }, /ARTIFEX_DATA_DIR/],
    ['scripts/worker.ts', { STORAGE_URL: 'file:///dev/null' }, /STORAGE_URL/],
    ['scripts/token.ts', { ARTIFEX_DATA_DIR: '/dev/null' }, /ARTIFEX_DATA_DIR/],
  ])('of %s with %j ends it in the same way', async (entry, env, words) => {
    const given = { ...nothingSet(), MONGODB_URI: 'mongodb://127.0.0.1:9/artifex', ...env };
    const ended = startProcess('node', [entry, 'user_1'], given);
    await ended.closed;
    expect(ended.child.exitCode).toBe(1);
    expect(ended.output.filter((line) => !line.startsWith('{'))).toEqual([expect.stringMatching(words)]);
  });

  it('a database that is out of reach is none: the server starts, says so, and answers 503', async () => {
    const server = startProcess('node', ['scripts/run.mjs', 'start'], {
      ...nothingSet(),
      MONGODB_URI: 'mongodb://127.0.0.1:9/artifex?serverSelectionTimeoutMS=300',
    });
    const url = await server.waitFor((line) => /"url":"(http[^"]+)"/.exec(line)?.[1]);
    await server.waitFor((line) => (line.includes('out of reach') ? line : undefined));
    const health = await fetch(`${url}/healthz`);
    const ready = await fetch(`${url}/readyz`);
    expect([health.status, ready.status]).toEqual([200, 503]);
    expect(await ready.json()).toMatchObject({ code: 'unavailable' });
    expect(await server.end()).toBe(0);
  });
});

describe('a database that is out of reach', () => {
  const away = () => ({ ...nothingSet(), MONGODB_URI: 'mongodb://127.0.0.1:9/artifex?serverSelectionTimeoutMS=100' });

  it('lets a worker that waits for it end cleanly', async () => {
    const worker = startProcess('node', ['scripts/run.mjs', 'worker'], away());
    await worker.waitFor((line) => (line.includes('out of reach') ? line : undefined));
    expect(await worker.end()).toBe(0);
  });

  it('ends a command with a line that says so, and no stack', async () => {
    const command = startProcess('node', ['scripts/run.mjs', 'check:ledger'], { ...away(), LOG_LEVEL: 'silent' });
    await command.gone;
    expect(command.child.exitCode).toBe(1);
    expect(command.output.filter((line) => line.startsWith('The database is out of reach:'))).toHaveLength(1);
    expect(command.output.join('\n')).not.toMatch(/^\s+at /m);
  });
});
