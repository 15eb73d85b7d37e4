// The way into every npm script; those say `exec`, so that signals to npm reach this process and no shell between. Plain
// JavaScript and no packages, since it has to run on Node 20 before anything is installed: it installs what is missing, then
// hands over to the task on its own runtime.
import { spawn } from 'node:child_process';
import { totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { denoPermissions } from './denoPermissions.mjs';
import { installWhatIsMissing } from './install.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');
/** Milliseconds between two looks at whether npm still lives. */
const ORPHAN_CHECK_MS = 250;

const TASKS = {
  start: ['bun', 'scripts/start.ts'],
  'start:bun': ['bun', 'scripts/start.ts'],
  'start:node': ['node', 'scripts/start.ts'],
  'start:deno': ['deno', 'run', ...denoPermissions(process.env, join(BIN, 'node')), 'scripts/start.ts'],
  'start:worker': ['node', 'scripts/startWorkerd.ts'],
  worker: ['bun', 'scripts/worker.ts'],
  // Its data is in memory; Node by itself ends a process at about 4 GB.
  db: [
    'node',
    `--max-old-space-size=${Math.floor((totalmem() * 0.75) / 2 ** 20)}`,
    'packages/embedded-mongo/src/cli.ts',
  ],
  token: ['bun', 'scripts/token.ts'],
  seed: ['bun', 'seeds/run.ts', 'seed'],
  'seed:cleanup': ['bun', 'seeds/run.ts', 'cleanup'],
  'seed:reset': ['bun', 'seeds/run.ts', 'reset'],
  job: ['bun', 'scripts/job.ts'],
  'clerk:backfill': ['bun', 'scripts/clerkBackfill.ts'],
  reconcile: ['bun', 'scripts/reconcile.ts'],
  'stripe:setup': ['bun', 'scripts/stripeSetup.ts'],
  'encryption:rotate': ['bun', 'scripts/rotateEncryption.ts'],
  'check:ledger': ['bun', 'scripts/checkLedger.ts'],
  bench: ['bun', 'bench/run.ts'],
  build: ['node', 'scripts/build.ts'],
  test: ['vitest', 'run'],
  lint: ['biome', 'check', '.'],
  types: ['tsc', '--noEmit', '-p', '.'],
  verify: ['node', 'scripts/verify.ts'],
};

/** The environment says everything to these: an argument would be a mistake that nobody hears of. */
const WITHOUT_ARGUMENTS = /^(?:start(?::\w+)?|worker|reconcile|encryption:rotate|check:ledger)$/;

const [task, ...args] = process.argv.slice(2);
const command = task === undefined ? undefined : TASKS[task];
if (!command) {
  console.error(`Unknown task. One of: ${Object.keys(TASKS).join(', ')}`);
  process.exit(2);
}
if (WITHOUT_ARGUMENTS.test(task) && args.length > 0) {
  console.error(`npm run ${task} takes no arguments, and got: ${args.join(' ')}`);
  process.exit(2);
}
await installWhatIsMissing(ROOT);
handOver(command, args);

function handOver([bin, ...fixed], extra) {
  const child = spawn(join(BIN, bin), [...fixed, ...extra], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH ?? ''}` },
    shell: process.platform === 'win32',
  });
  child.on('error', (error) => {
    console.error(`${bin} cannot be started: ${error.message}`);
    process.exit(1);
  });
  // A terminal sends Ctrl-C to the whole group, a process manager a signal to this process alone: the child gets it either
  // way, and this process ends when the child has.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // Where npm was killed, nobody is left who would end the task.
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), ORPHAN_CHECK_MS).unref();
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}
