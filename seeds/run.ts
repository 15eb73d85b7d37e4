/** `npm run seed`, `seed:cleanup`, `seed:reset`. */
import { parseArgs } from 'node:util';
import { withCore } from '../scripts/withCore.ts';
import { isProduction } from '../src/config/env.ts';
import type { Store } from '../src/models/store.ts';
import { sowHistory } from './bulk/sow.ts';
import { endFirstSeeding } from './firstSeeding.ts';
import { progressBar } from './progress.ts';
import { cleanup, type SeedCounts, seed } from './seed.ts';

const COMMANDS = ['seed', 'cleanup', 'reset'] as const;
type Command = (typeof COMMANDS)[number];

const options = parsed();
if (!options) {
  process.exitCode = 2;
} else if (isProduction(process.env) && !options.force) {
  console.error('NODE_ENV is production: seeds are for development. Give --force if you mean it.');
  process.exitCode = 1;
} else {
  await withCore(
    async ({ ctx }) => {
      await run(options, ctx);
      return 0;
    },
    { inBatches: true },
  );
}

interface Options {
  command: Command;
  force: boolean;
  /** How many generations the large history is to have. */
  generations: number | null;
}

function parsed(): Options | null {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { force: { type: 'boolean', default: false }, generations: { type: 'string' } },
    });
    const command = COMMANDS.find((name) => name === positionals[0]);
    if (!command || positionals.length > 1) throw new Error(`Unknown arguments: ${positionals.join(' ')}`);
    if (command === 'cleanup' && values.generations !== undefined) throw new Error('A cleanup makes no generations.');
    return { command, force: values.force, generations: numberFrom(values.generations) };
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    console.error('Usage: npm run seed | seed:cleanup | seed:reset [-- [--generations N] [--force]]');
    return null;
  }
}

function numberFrom(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error('--generations takes a whole number, such as 100000.');
  return Number(text);
}

async function run({ command, generations }: Options, store: Store): Promise<void> {
  if (command !== 'seed') {
    await endFirstSeeding(store);
    console.log(`Removed ${counted(await cleanup(store))}.`);
  }
  if (command === 'cleanup') return;
  console.log(`Seeded ${counted(await seed(store))}.`);
  if (generations === null) return;
  let showCounted: ((generations: number) => void) | undefined;
  const history = await sowHistory(store, generations, {
    onStored: progressBar('generations stored', generations),
    onRolledUp(done, of) {
      showCounted ??= progressBar('generations counted', of);
      showCounted(done);
    },
  });
  console.log(`Made a history of ${counted(history)}.`);
}

function counted({ users, subscriptions, generations, ledgerEntries }: SeedCounts): string {
  return `${users} users, ${subscriptions} subscriptions, ${generations} generations, ${ledgerEntries} ledger entries`;
}
