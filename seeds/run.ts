/** `npm run seed`, `seed:cleanup`, `seed:reset`. */
import { parseArgs } from 'node:util';
import { withCore } from '../scripts/withCore.ts';
import { isProduction } from '../src/config/env.ts';
import type { Store } from '../src/models/store.ts';
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
  await withCore(async ({ ctx }) => {
    await run(options.command, ctx);
    return 0;
  });
}

function parsed(): { command: Command; force: boolean } | null {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { force: { type: 'boolean', default: false } },
    });
    const command = COMMANDS.find((name) => name === positionals[0]);
    if (!command || positionals.length > 1) throw new Error(`Unknown arguments: ${positionals.join(' ')}`);
    return { command, force: values.force };
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    console.error('Usage: npm run seed | seed:cleanup | seed:reset [-- --force]');
    return null;
  }
}

async function run(command: Command, store: Store): Promise<void> {
  if (command !== 'seed') console.log(`Removed ${counted(await cleanup(store))}.`);
  if (command !== 'cleanup') console.log(`Seeded ${counted(await seed(store))}.`);
}

function counted({ users, subscriptions, generations, ledgerEntries }: SeedCounts): string {
  return `${users} users, ${subscriptions} subscriptions, ${generations} generations, ${ledgerEntries} ledger entries`;
}
