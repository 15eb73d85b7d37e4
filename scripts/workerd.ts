import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');

/** Lines that are kept to tell why it did not come up. */
const MUCH = 200;

export interface WorkerdOptions {
  /** What the Worker is given besides wrangler.toml. */
  variables: Readonly<Record<string, string>>;
  /** Told of every line that wrangler and the Worker write. */
  told?: (line: string) => void;
  /** Another configuration than wrangler.toml. */
  config?: string;
}

export interface Workerd {
  url: string;
  /** Resolves when it has ended, whoever has ended it. */
  gone: Promise<unknown>;
  /** Cuts off what is under way: whoever has to see it out closes what stands before it first. */
  stop(): Promise<void>;
}

/**
 * The Worker in workerd, as `wrangler dev` runs it, on a free port of this machine, without the network.
 *
 * @throws {Error} with what wrangler has said, where it does not come up
 */
export async function startWorkerd({ variables, told, config }: WorkerdOptions): Promise<Workerd> {
  const folder = await mkdtemp(join(tmpdir(), 'artifex-workerd-'));
  const envFile = join(folder, 'worker.env');
  await writeFile(envFile, textOf(variables), { mode: 0o600 });
  const args = ['dev', '--ip', '127.0.0.1', '--port', '0', '--inspector-port', '0', '--env-file', envFile];
  const child = spawn(
    join(BIN, 'node'),
    [
      join(ROOT, 'scripts', 'group.ts'),
      join(BIN, 'wrangler'),
      ...args,
      '--persist-to',
      join(folder, 'state'),
      ...(config === undefined ? [] : ['--config', config]),
    ],
    { cwd: ROOT, detached: true, stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...quiet(folder) } },
  );
  const said: string[] = [];
  const gone = once(child, 'exit').then(() => rm(folder, { recursive: true, force: true }));

  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        told?.(line);
        if (said.length < MUCH) said.push(line);
        const found = /Ready on (http:\S+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    }
    gone.then(() => reject(new Error(`workerd did not come up:\n${said.join('\n')}`)), reject);
  });

  return {
    url,
    gone,
    async stop() {
      child.stdin.end();
      await gone;
    },
  };
}

/** Wrangler keeps notes in the home folder, asks a server for news, and sends usage data. */
function quiet(home: string): Record<string, string> {
  return {
    PATH: `${BIN}:${process.env['PATH'] ?? ''}`,
    HOME: home,
    XDG_CONFIG_HOME: home,
    CI: 'true',
    WRANGLER_HIDE_BANNER: 'true',
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_WRITE_LOGS: 'false',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  };
}

/** In the form of dotenv, in which only double quotes change what stands between them. */
function textOf(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => (value.includes("'") ? `${name}=\`${value}\`` : `${name}='${value}'`))
    .join('\n');
}
