import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');

/** How a process is started on each runtime. */
const ENTRIES = { bun: ['bun', 'src/runtimes/bun.ts'], node: ['node', 'src/runtimes/node.ts'] } as const;
export type Runtime = keyof typeof ENTRIES;

/** Many tests ask more in a minute than a person may. */
const UNLIMITED = { RATE_LIMIT_QUOTA_PER_MINUTE: '1000000', RATE_LIMIT_ADDRESS_PER_MINUTE: '1000000' };

const listening = z.object({ msg: z.literal('listening'), url: z.string() });

export interface ServerProcess {
  url: string;
  child: ChildProcess;
  /** Lines that it has written, parsed where they are JSON. */
  output: string[];
  /** SIGKILL: it ends between two instructions. */
  kill(): Promise<void>;
  /** SIGTERM: resolves with its exit status. */
  end(): Promise<number | null>;
}

/** A real API process on a free port. It is the caller's to end. */
export async function startServer(runtime: Runtime, env: Record<string, string>): Promise<ServerProcess> {
  const [bin, entry] = ENTRIES[runtime];
  const started = startProcess(bin, [entry], env);
  const { url } = await started.waitFor((line) => listening.safeParse(parsedJson(line)).data);
  await untilReady(url);
  return { ...started, url };
}

/** A process whose lines can be waited for. */
export function startProcess(
  bin: string,
  args: string[],
  env: Record<string, string | undefined>,
  { detached = false } = {},
) {
  const child = spawn(bin, args, {
    cwd: ROOT,
    detached,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${BIN}:${process.env['PATH']}`,
      HOME: process.env['HOME'],
      PORT: '0',
      NODE_ENV: 'test',
      ...UNLIMITED,
      ...env,
    },
  });
  const output: string[] = [];
  const watchers = new Set<(line: string) => void>();
  const gone = once(child, 'exit');
  const closed = once(child, 'close');
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      output.push(line);
      for (const watch of watchers) watch(line);
    });
  }

  function waitFor<Found>(look: (line: string) => Found | undefined): Promise<Found> {
    return new Promise((resolve, reject) => {
      const watch = (line: string) => {
        const found = look(line);
        if (found === undefined) return;
        watchers.delete(watch);
        resolve(found);
      };
      watchers.add(watch);
      for (const line of output) watch(line);
      gone.then(
        () => reject(new Error(`${bin} ended before it said what was waited for:\n${output.join('\n')}`)),
        reject,
      );
    });
  }

  async function signal(name: NodeJS.Signals): Promise<number | null> {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill(name);
    await gone;
    return child.exitCode;
  }

  return {
    child,
    output,
    waitFor,
    gone,
    /** When nobody writes any more: also the processes that it has started are gone. */
    closed,
    kill: async () => {
      await signal('SIGKILL');
    },
    end: () => signal('SIGTERM'),
  };
}

async function untilReady(url: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/readyz`);
    await response.arrayBuffer();
    if (response.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function parsedJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** A folder that goes when `remove` is called. */
export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'artifex-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
