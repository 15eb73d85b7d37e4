import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { databaseUri } from '../support/database.ts';
import { startProcess, temporaryFolder } from '../support/processes.ts';

const PATIENCE_MS = 60_000;
const listening = z.object({ msg: z.literal('listening'), url: z.url() });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let built: { status: number | null; output: string[] };

/** Far away from node_modules: what is built has to run without them. */
beforeAll(async () => {
  folder = await temporaryFolder();
  built = await build('--out', folder.path);
}, PATIENCE_MS);

afterAll(() => folder.remove());

async function build(...args: string[]) {
  const child = startProcess('node', ['scripts/build.ts', ...args], {});
  await child.gone;
  return { status: child.child.exitCode, output: child.output };
}

const SERVERS = [
  ['node', []],
  ['deno', ['run', '--allow-net', '--allow-env', '--allow-read', '--allow-write']],
] as const;

function start(runtime: string, args: readonly string[], env: Record<string, string>) {
  return startProcess(runtime, [...args, join(folder.path, runtime, 'server.js')], {
    ARTIFEX_DATA_DIR: join(folder.path, `${runtime}-data`),
    ...env,
  });
}

describe('npm run build', () => {
  it('says in a line each what was built, its size, and how long it took', () => {
    expect(built.output).toEqual([
      expect.stringMatching(/^node .*server\.js {2}\d+ KiB {2}[\d.]+ s$/),
      expect.stringMatching(/^deno .*server\.js {2}\d+ KiB {2}[\d.]+ s$/),
      expect.stringMatching(/^worker .*worker\.js {2}\d+ KiB, \d+ KiB gzipped {2}[\d.]+ s$/),
    ]);
    expect(built.status).toBe(0);
  });

  it('makes a Worker of less than a mebibyte, gzipped', async () => {
    const gzipped = gzipSync(await readFile(join(folder.path, 'worker', 'worker.js'))).length;

    expect(gzipped).toBeLessThan(1024 * 1024);
    expect(built.output.join('\n')).toContain(`, ${Math.round(gzipped / 1024)} KiB gzipped`);
  });

  it('refuses a target that there is not, in one line', async () => {
    const { status, output } = await build('--out', folder.path, 'toaster');

    expect(output).toEqual(['There is no build "toaster": choose of node, deno, worker']);
    expect(status).toBe(1);
  });

  it('makes a Worker without the providers, whose clients would double it', async () => {
    const clientOfAProvider = 'OPENAI_LOG';
    const worker = await readFile(join(folder.path, 'worker', 'worker.js'), 'utf8');
    const server = await readFile(join(folder.path, 'node', 'server.js'), 'utf8');

    expect(worker.includes(clientOfAProvider)).toBe(false);
    expect(server.includes(clientOfAProvider)).toBe(true);
  });
});

describe.each(SERVERS)('the build for %s', (runtime, args) => {
  it(
    'serves where no package is installed, and ends cleanly',
    async () => {
      const server = start(runtime, args, { MONGODB_URI: databaseUri('unused'), ARTIFEX_WORKER: 'off' });
      const { url } = await server.waitFor((line) => listening.safeParse(JSON.parse(line)).data);

      const response = await fetch(`${url}/healthz`);

      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ status: 'ok' });
      expect(await server.end()).toBe(0);
    },
    PATIENCE_MS,
  );

  it(
    'names a missing variable in one line and ends',
    async () => {
      const server = start(runtime, args, {});
      await server.gone;

      expect(server.output).toEqual([expect.stringContaining('MONGODB_URI is missing')]);
      expect(server.child.exitCode).toBe(1);
    },
    PATIENCE_MS,
  );
});
