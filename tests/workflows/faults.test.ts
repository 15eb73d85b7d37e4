import { describe, expect, it } from 'vitest';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { clearBooks, digestOf, faultsIn, readBooks } from '../support/books.ts';
import type { Command } from '../support/commandGate.ts';
import { contextOf, NO_GRACE } from '../support/context.ts';
import { START, signUp, type TestStore, useDatabase } from '../support/database.ts';
import { asProcess, Crash, FAULTS, type Fault } from '../support/interleave.ts';
import { accounts } from './faults/accounts.ts';
import { charges } from './faults/charges.ts';
import { generations } from './faults/generations.ts';
import type { Scenario } from './faults/scenario.ts';

/** The cases of one test share a database, and tests run side by side. */
const idle = Array.from({ length: 5 }, () => useDatabase());

/** What happens after the fault: nobody calls again; somebody does at once; somebody does when all has been swept. */
const SEQUELS = ['nobody calls again', 'called again', 'called again later'] as const;
type Sequel = (typeof SEQUELS)[number];

interface Case {
  /** Number of the command that the fault befalls; without one, nothing goes wrong. */
  at?: number;
  fault?: Fault;
  sequel: Sequel;
}

const MINUTE = 60_000;
const READS = new Set(['findOne', 'countDocuments', 'distinct', 'toArray', 'next', 'tryNext', 'hasNext']);

/** Faults that differ for that command: what was read, or written to one document, is done wholly or not at all. */
function faultsOf({ name, sendPart }: Command): readonly Fault[] {
  if (READS.has(name)) return ['before', 'refused'];
  return sendPart ? FAULTS : ['before', 'after', 'refused', 'unanswered'];
}

/** What is done step by step is gone on with by the next call, whenever that comes; and recovery has been called already when all is swept. */
const sequelsOf = ({ effect, isRecovery }: Scenario) =>
  effect === 'stepwise' || isRecovery ? SEQUELS.slice(0, 2) : SEQUELS;

type Ended = 'answered' | 'died' | 'failed' | { refused: string };

async function endOf(call: Promise<unknown>): Promise<Ended> {
  try {
    await call;
    return 'answered';
  } catch (error) {
    if (error instanceof Crash) return 'died';
    if (error instanceof Error && error.name.startsWith('Mongo')) return 'failed';
    if (error instanceof Error && 'code' in error) return { refused: String(error.code) };
    throw error;
  }
}

/** Leases of the dead end, and sweepers of the living come by. */
async function recover(store: TestStore): Promise<void> {
  store.clock.advance(16 * MINUTE);
  for (let rounds = 1; Object.values(await sweep(contextOf(store), NO_GRACE)).some((count) => count > 0); rounds += 1) {
    if (rounds === 5) throw new Error('The sweep finds something to do for ever');
  }
}

async function play(store: TestStore, { prepare }: Scenario, { at, fault, sequel }: Case, calls = 1) {
  await clearBooks(store);
  store.clock.set(START);
  const call = await prepare(store, await signUp(store));
  const sent: Command[] = [];
  const ends: Ended[] = [];
  if (calls > 0) {
    const decide = (command: Command) => (sent.push(command) - 1 === at && fault ? fault : 'lives');
    ends.push(await endOf(asProcess(decide, call)));
  }
  if (sequel === 'called again') ends.push(await endOf(call()));
  await recover(store);
  if (sequel === 'called again later') {
    ends.push(await endOf(call()));
    await recover(store);
  }
  const [books, { violations }] = await Promise.all([readBooks(store), verifyLedger(store)]);
  const faults = books.flatMap((each) => faultsIn(each, store.clock.now()));
  return {
    digest: digestOf(books),
    faults: [...faults, ...violations.flatMap(({ problems }) => problems)],
    ends,
    sent,
  };
}

type Played = Awaited<ReturnType<typeof play>>;

/** What may be found afterwards, by what would have been found without any fault. */
function expectPromisesKept(
  scenario: Scenario,
  { sequel }: Case,
  { digest, faults, ends }: Played,
  without: Record<'nothing' | 'once' | 'twice' | 'late', unknown>,
): void {
  expect(faults).toEqual([]);
  const [first, again] = ends;
  const isDone = first === 'answered';
  if (sequel !== 'nobody calls again') expect(['answered', { refused: scenario.whenDone }]).toContainEqual(again);
  if (scenario.effect === 'stepwise' && sequel === 'nobody calls again') return;
  expect(outcomesOf(scenario.effect, sequel, isDone, without)).toContainEqual(digest);
}

/** What may stand in the books: all that was answered, and of the rest everything or nothing. */
function outcomesOf(
  effect: Scenario['effect'],
  sequel: Sequel,
  isDone: boolean,
  { nothing, once, twice, late }: Record<'nothing' | 'once' | 'twice' | 'late', unknown>,
): unknown[] {
  const again = effect === 'each' ? twice : once;
  switch (sequel) {
    case 'nobody calls again':
      return isDone ? [once] : [nothing, once];
    case 'called again':
      return isDone ? [again] : [once, again];
    case 'called again later':
      return isDone ? [again] : [once, again, late];
  }
}

async function playEveryFault(store: TestStore, scenario: Scenario): Promise<void> {
  const nothing = await play(store, scenario, { sequel: 'nobody calls again' }, 0);
  const once = await play(store, scenario, { sequel: 'nobody calls again' });
  const twice = await play(store, scenario, { sequel: 'called again' });
  const late = await play(store, scenario, { sequel: 'called again later' }, 0);
  const without = { nothing: nothing.digest, once: once.digest, twice: twice.digest, late: late.digest };
  expect([nothing, once, twice, late].flatMap(({ faults }) => faults)).toEqual([]);
  expect(once.ends).toEqual(['answered']);
  expect(once.sent.length).toBeGreaterThan(0);
  if (scenario.effect === 'each') expect(twice.digest).not.toEqual(once.digest);
  else expect(twice.digest).toEqual(once.digest);

  for (const [at, command] of once.sent.entries()) {
    for (const fault of faultsOf(command)) {
      for (const sequel of sequelsOf(scenario)) {
        const played = await play(store, scenario, { at, fault, sequel });
        try {
          expectPromisesKept(scenario, { sequel }, played, without);
        } catch (error) {
          const where = `command ${at + 1}, ${command.collection}.${command.name}`;
          throw new Error(`${fault} at ${where}, ${sequel}: ${JSON.stringify(played.ends)}`, { cause: error });
        }
      }
    }
  }
}

describe('whatever befalls any of its commands, and whether or not somebody calls again', () => {
  it.concurrent.each([...charges, ...generations, ...accounts])(
    '$name keeps every promise',
    async (scenario) => {
      const store = idle.pop();
      if (!store) throw new Error('No more tests run side by side than there are databases');
      try {
        await playEveryFault(store, scenario);
      } finally {
        idle.push(store);
      }
    },
    120_000,
  );
});
