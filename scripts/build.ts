/**
 * The builds for Node, Deno and Cloudflare Workers under `dist/`, without the network: `npm run build`, or
 * `npm run build -- node deno` for some of them, and `--out DIR` for another folder.
 */

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build as bundle } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What Cloudflare takes on every plan, compressed, is 3 MiB; the start of an isolate gets slower long before. */
const WORKER_LIMIT_KIB = 1024;

/** Makes one build in `folder`, and returns the file to run. */
type Builder = (folder: string) => Promise<string>;

const BUILDERS: Readonly<Record<string, Builder>> = {
  node: (folder) => buildServer('src/runtimes/node.ts', 'node22', folder),
  deno: (folder) => buildServer('src/runtimes/deno.ts', 'deno2', folder),
  worker: buildWorker,
};

/** Said to the user as it stands; anything else that is thrown is a fault of this script. */
class BuildError extends Error {
  override readonly name = 'BuildError';
}

try {
  const { values, positionals } = parseArgs({
    options: { out: { type: 'string', default: join(ROOT, 'dist') } },
    allowPositionals: true,
  });
  for (const target of positionals.length > 0 ? positionals : Object.keys(BUILDERS)) {
    await build(target, resolve(values.out));
  }
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function build(target: string, out: string): Promise<void> {
  const builder = BUILDERS[target];
  if (!builder) throw new BuildError(`There is no build "${target}": choose of ${Object.keys(BUILDERS).join(', ')}`);
  const startedAt = performance.now();
  const folder = join(out, target);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const file = await builder(folder);
  const size = await sizeOf(target, file);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${target.padEnd(6)}  ${relative(process.cwd(), file)}  ${size}  ${seconds} s`);
}

/** One file with all packages in it: where it runs, nothing has to be installed. */
async function buildServer(entry: string, runtime: string, folder: string): Promise<string> {
  const file = join(folder, 'server.js');
  try {
    await bundle({
      absWorkingDir: ROOT,
      entryPoints: [entry],
      outfile: file,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: runtime,
      // The packages that are CommonJS ask for Node's modules by `require`, which a module has not by itself.
      banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
      logLevel: 'warning',
    });
  } catch {
    throw new BuildError(`The build of ${entry} failed; the lines above tell why.`);
  }
  // Copied to another place, the file would else be taken for CommonJS at first.
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  return file;
}

/** Wrangler's own bundle, with the configuration of wrangler.toml: what `wrangler deploy` would upload. */
async function buildWorker(folder: string): Promise<string> {
  // Wrangler keeps notes in the home folder, which need not be writable where builds run.
  const home = await mkdtemp(join(tmpdir(), 'wrangler-'));
  try {
    const { status, output } = await run('wrangler', ['deploy', '--dry-run', '--outdir', folder], {
      HOME: home,
      XDG_CONFIG_HOME: home,
      CI: 'true',
      WRANGLER_HIDE_BANNER: 'true',
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_WRITE_LOGS: 'false',
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    });
    if (status !== 0)
      throw new BuildError(`${output.trim()}\nWrangler could not build the Worker; the lines above tell why.`);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  return join(folder, 'worker.js');
}

function run(bin: string, args: string[], env: Record<string, string>): Promise<{ status: number; output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(join(ROOT, 'node_modules', '.bin', bin), args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', fail);
    child.on('close', (code) => done({ status: code ?? 1, output }));
  });
}

async function sizeOf(target: string, file: string): Promise<string> {
  if (target !== 'worker') return kib((await stat(file)).size);
  const code = await readFile(file);
  const gzipped = gzipSync(code).length;
  if (gzipped > WORKER_LIMIT_KIB * 1024) {
    throw new BuildError(
      `The Worker has ${kib(gzipped)} gzipped, more than ${WORKER_LIMIT_KIB} KiB: see what it imports.`,
    );
  }
  return `${kib(code.length)}, ${kib(gzipped)} gzipped`;
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}
