import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const RUNTIMES = ['bun', 'node', 'deno', 'worker'] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** `npm run start:RUNTIME`, over an embedded database of its own. */
export interface Started {
  url: string;
  /** A session token of a seeded user of the tier `pro`. */
  token: string;
  end(): Promise<void>;
}

/** What is running: it would go on for ever where the benchmarks are cut off. */
const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    for (const child of running) child.kill('SIGTERM');
    process.exit(1);
  });
}

/** Ends that process with this one. */
export function runWhileHere(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}

const EYJ = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;

export async function start(runtime: RuntimeName, env: Record<string, string> = {}): Promise<Started> {
  const dataDir = await mkdtemp(join(tmpdir(), 'artifex-bench-'));
  const child = spawn(join('node_modules', '.bin', 'node'), ['scripts/run.mjs', `start:${runtime}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, PORT: '0', MONGODB_URI: '', CLERK_JWT_KEY: '', ARTIFEX_DATA_DIR: dataDir, ...env },
  });
  runWhileHere(child);
  const found = await welcomeOf(child);
  return {
    ...found,
    async end() {
      child.kill('SIGTERM');
      await once(child, 'exit');
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function welcomeOf(child: ChildProcess): Promise<{ url: string; token: string }> {
  let url = '';
  if (!child.stdout) throw new Error('The server has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    url = /serves at (\S+)/.exec(line)?.[1] ?? url;
    if (EYJ.test(line)) return { url, token: line };
  }
  throw new Error('The server ended before it was ready; run `npm start` to see why.');
}

export function createImage({ url, token }: Started, prompt: string): Promise<Response> {
  return fetch(`${url}/v1/generations`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ type: 'text-to-image', prompt }),
  });
}
