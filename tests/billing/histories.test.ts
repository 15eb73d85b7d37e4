import { describe, it } from 'vitest';
import { quietUri, useDatabase } from '../support/database.ts';
import { TOGETHER } from './histories/chance.ts';
import { play } from './histories/play.ts';

/** Histories in all, each of one person; {@link TOGETHER} of them are a run. */
const HISTORIES = Number(process.env['BILLING_RUNS'] ?? 5_000);
const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
/** Runs that go on side by side, each over a database of its own. One of them is encrypted, and takes a twentieth: it is slow. */
const encrypted = useDatabase();
const plain = Array.from({ length: 3 }, () => useDatabase(quietUri, false));

describe('what is stored, what is granted and what was paid for', () => {
  it(`are one at rest after any history (${HISTORIES} histories, FC_SEED=${SEED})`, async () => {
    const seeds = Array.from({ length: Math.ceil(HISTORIES / TOGETHER) }, (_, run) => SEED + 3 * run);
    const lanes = [
      { store: encrypted, todo: seeds.splice(0, Math.ceil(seeds.length / 20)) },
      ...plain.map((store) => ({ store, todo: seeds })),
    ];
    // Stripe's SDK takes the stack of every call.
    if (seeds.length > 1) Error.stackTraceLimit = 0;
    await Promise.all(
      lanes.map(async ({ store, todo }) => {
        for (let seed = todo.shift(); seed !== undefined; seed = todo.shift())
          await play(store, seed).catch((cause: unknown) => {
            seeds.length = 0;
            throw new Error(`FC_SEED=${seed} BILLING_RUNS=${TOGETHER} plays this again`, { cause });
          });
      }),
    );
  }, 1_800_000);
});
