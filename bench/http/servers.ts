import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startWorkerd } from '../../scripts/workerd.ts';
import { openDevelopmentKey, signSessionToken } from '../../src/identity/developmentKey.ts';
import { developmentTrust } from '../../src/identity/sessionTrust.ts';
import { PLENTY } from '../data/contenders.ts';
import { type BenchStore, createDatabase, openStore } from '../data/database.ts';
import { runWhileHere } from '../process.ts';

const PEOPLE = 50;
const LIFETIME_SECONDS = 60 * 60;
/** The programs that run TypeScript as it is. */
const PROGRAMS = {
  bun: ['bun'],
  node: ['node'],
  deno: ['deno', 'run', '--quiet', '--no-lock', '--allow-all'],
} as const;
export type Program = keyof typeof PROGRAMS;
export const PROGRAM_NAMES = ['bun', 'node', 'deno'] as const satisfies readonly Program[];

export interface BenchServer {
  url: string;
  /** Where one process answers: its number. */
  pid: number | null;
  end(): Promise<void>;
}

/** A database, people who have credits beyond measure, and servers that believe their tokens. */
export interface BenchPlace {
  store: BenchStore;
  tokens: readonly string[];
  start(program: Program, entry: string, more?: Readonly<Record<string, string>>): Promise<BenchServer>;
  /** In workerd, with the configuration of that file. */
  startWorker(config?: string): Promise<BenchServer>;
  remove(): Promise<void>;
}

export async function createPlace(): Promise<BenchPlace> {
  const [database, dataDir] = await Promise.all([createDatabase(), mkdtemp(join(tmpdir(), 'artifex-bench-'))]);
  const store = await openStore(database);
  const key = await openDevelopmentKey(dataDir);
  const trust = developmentTrust(key.publicKeyPem);
  const ids = Array.from({ length: PEOPLE }, (_, index) => `user_bench_${index}`);
  await store.models.User.insertMany(
    ids.map((clerkUserId) => ({ clerkUserId, subscriptionTier: 'pro', grantedCredits: PLENTY })),
  );
  await store.connection
    .collection('bare_accounts')
    .insertMany(ids.map((clerkUserId) => ({ clerkUserId, used: 0, limit: PLENTY })));
  const tokens = await Promise.all(
    ids.map((clerkUserId) => signSessionToken(key, { clerkUserId, lifetimeSeconds: LIFETIME_SECONDS })),
  );
  const env = {
    NODE_ENV: 'test',
    MONGODB_URI: database.uri,
    CLERK_JWT_KEY: trust.jwtKey,
    CLERK_PUBLISHABLE_KEY: trust.publishableKey,
    LOG_LEVEL: 'silent',
    RATE_LIMIT_QUOTA_PER_MINUTE: '1000000',
  };
  return {
    store,
    tokens,
    start: (program, entry, more) =>
      startProgram(program, entry, {
        ...env,
        LOG_LEVEL: 'info',
        ARTIFEX_DATA_DIR: dataDir,
        ARTIFEX_WORKER: 'off',
        PORT: '0',
        ...more,
      }),
    async startWorker(config) {
      const workerd = await startWorkerd({ variables: env, ...(config !== undefined && { config }) });
      return { url: workerd.url, pid: null, end: () => workerd.stop() };
    },
    async remove() {
      await store.connection.close();
      await database.remove();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function startProgram(program: Program, entry: string, env: Record<string, string>): Promise<BenchServer> {
  const [bin, ...args] = PROGRAMS[program];
  const child = spawn(join('node_modules', '.bin', bin), [...args, entry], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  runWhileHere(child);
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        const found = /"url":"([^"]+)"/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    }
    child.once('exit', () => reject(new Error(`${entry} ended on ${program} before it listened`)));
  });
  await untilPrepared(url);
  return {
    url,
    pid: child.pid ?? null,
    async end() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

/** A process listens before its database is prepared. The bare server has nothing to prepare, and no such address. */
async function untilPrepared(url: string): Promise<void> {
  while ((await fetch(`${url}/readyz`)).status === 503) await new Promise((resolve) => setTimeout(resolve, 50));
}
