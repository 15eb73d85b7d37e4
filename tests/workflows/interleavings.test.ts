import fc from 'fast-check';
import type { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { CONCURRENT_GENERATIONS } from '@/domain/tiers.ts';
import { generationsOf } from '@/models/collections.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { type Books, clearBooks, faultsIn, readBooks } from '../support/books.ts';
import { contextOf, NO_GRACE } from '../support/context.ts';
import { START, signUp, type TestStore, useDatabase } from '../support/database.ts';
import { Crash, FAULTS, type Fate, Interleaving } from '../support/interleave.ts';
import { type Action, act, actions, keyOf } from './histories/actions.ts';
import { type Asked, brokenPromises, undoneMoves } from './histories/promises.ts';

/** Histories in all. A run of the property plays {@link TOGETHER} at once, over one database, under one clock. */
const HISTORIES = Number(process.env['INTERLEAVING_RUNS'] ?? 10_000);
const TOGETHER = 10;
/** Runs that go on side by side. */
const lanes = Array.from({ length: 4 }, () => useDatabase());
const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
const MINUTE = 60_000;

const histories = fc.array(
  fc.record({
    tier: fc.constantFrom('free' as const, 'free' as const, 'plus' as const),
    script: fc.array(actions, { maxLength: 6 }),
  }),
  { minLength: TOGETHER, maxLength: TOGETHER },
);

const choices = fc.record({
  index: fc.nat(),
  fate: fc.oneof(
    { weight: 14, arbitrary: fc.constant<Fate>('lives') },
    { weight: 1, arbitrary: fc.constantFrom<Fate>(...FAULTS) },
  ),
  /** Seconds that pass before the command: sometimes long enough for keys to be forgotten, leases to end, a month to be over. */
  seconds: fc.oneof(
    { weight: 200, arbitrary: fc.constant(0) },
    { weight: 8, arbitrary: fc.constantFrom(1, 90, 180) },
    { weight: 2, arbitrary: fc.constantFrom(1_000, 32 * 86_400) },
  ),
  /** Looks into the books after the command, whatever is under way. */
  looks: fc.oneof({ weight: 99, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

/** One process: calls once, or again when the database has not answered. */
async function call(store: TestStore, asked: Asked): Promise<void> {
  const { userId, action } = asked;
  for (;;) {
    asked.calls += 1;
    try {
      asked.answer = await act(store, userId, action);
      return;
    } catch (error) {
      if (isRefusal(error) || error instanceof Crash) return;
      if (!isUnanswered(error)) throw error;
      if (!action.isPersistent || asked.calls === 3) return;
    }
  }
}

const isUnanswered = (error: unknown) => error instanceof Error && error.name.startsWith('Mongo');

const REFUSALS = ['insufficient_quota', 'invalid_transition', 'not_found', 'lease_lost', 'account_deleted', 'conflict'];

function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'DocumentNotFoundError' || ('code' in error && REFUSALS.includes(String(error.code)));
}

/** Quota 1 and 4 hold after every single command, whoever has just died. */
async function expectBalancedBooks(store: TestStore): Promise<void> {
  const { violations } = await verifyLedger(store);
  const problems = violations.flatMap((violation) => violation.problems);
  expect(problems.filter((problem) => problem.includes('ledger'))).toEqual([]);
}

/** Whoever claims, and whatever is under way: nobody has more leased at once than the highest tier that they may have had. */
async function expectSlotsKept(store: TestStore, together: Histories, users: readonly Types.ObjectId[]): Promise<void> {
  const leased = await generationsOf(store)
    .find({ status: 'processing', lease: { $exists: true } })
    .toArray();
  for (const [index, { tier, script }] of together.entries()) {
    const theirs = leased.filter(({ userId }) => users[index]?.equals(userId)).length;
    const mayRise = script.some(({ kind }) => kind === 'news' || kind === 'upgrade');
    expect(theirs).toBeLessThanOrEqual(CONCURRENT_GENERATIONS[mayRise ? 'pro' : tier]);
  }
}

/** Leases of the dead end, and sweepers of the living come by until there is nothing left to do. */
async function recover(store: TestStore): Promise<void> {
  store.clock.advance(16 * MINUTE);
  for (let rounds = 1; Object.values(await sweep(contextOf(store), NO_GRACE)).some((count) => count > 0); rounds += 1) {
    expect(rounds).toBeLessThan(6);
  }
}

/** What is sent again long after is answered as it was, and charges nothing. */
async function expectRepeats(store: TestStore, asked: readonly Asked[], books: readonly Books[]): Promise<void> {
  const keys = new Map(books.flatMap(({ ledger }) => ledger.map((entry) => [entry.key, entry])));
  const last = new Map(asked.map((each) => [each.userId.toHexString(), each]));
  for (const { userId, action } of last.values()) {
    const paid = keys.get(keyOf(userId, action) ?? '');
    if (!paid || (action.kind !== 'create' && action.kind !== 'consume')) continue;
    const again = await act(store, userId, action).catch((error: unknown) => error);
    if (isRefusal(again)) expect(again).toMatchObject({ code: expect.stringMatching(/not_found|account_deleted/) });
    else if (action.kind === 'consume') expect(again).toEqual({ charge: paid._id.toHexString(), repeated: true });
    else expect(again).toEqual({ generation: paid.generationId?.toHexString(), repeated: true });
  }
}

type Histories = typeof histories extends fc.Arbitrary<infer T> ? T : never;
type Choice = typeof choices extends fc.Arbitrary<infer T> ? T : never;

async function play(store: TestStore, together: Histories, choose: () => Choice): Promise<void> {
  await clearBooks(store);
  store.clock.set(START);
  const users = await Promise.all(together.map(({ tier }) => signUp(store, tier)));
  const asked = together.flatMap(({ script }, index) => script.map((action) => askedBy(users[index], action)));
  const interleaving = new Interleaving();
  const ends = asked.map((each) => interleaving.start(() => call(store, each)));
  let looks = false;
  await interleaving.play(
    () => {
      const { seconds, ...choice } = choose();
      looks = choice.looks;
      store.clock.advance(seconds * 1000);
      return choice;
    },
    async () => {
      if (!looks) return;
      await expectBalancedBooks(store);
      await expectSlotsKept(store, together, users);
    },
  );
  for (const end of await Promise.all(ends)) if (end.status === 'rejected') throw end.reason;
  await recover(store);
  const [books, verified] = await Promise.all([readBooks(store), verifyLedger(store)]);
  expect(books.flatMap((each) => faultsIn(each, store.clock.now()))).toEqual([]);
  expect(verified).toMatchObject({ usersChecked: users.length, violations: [] });
  expect(books.flatMap((each) => brokenPromises(each, asked))).toEqual([]);
  expect(undoneMoves(books, asked)).toEqual([]);
  await expectRepeats(store, asked, books);
  const after = await readBooks(store);
  expect(after.map(({ user }) => user.monthlyUsage)).toEqual(books.map(({ user }) => user.monthlyUsage));
}

function askedBy(userId: Types.ObjectId | undefined, action: Action): Asked {
  if (!userId) throw new Error('Every history has its user');
  return { userId, action, calls: 0 };
}

describe('charges, moves, subscriptions, settlements and sweeps', () => {
  it(`keep every promise in any interleaving, with faults anywhere (${HISTORIES} histories, FC_SEED=${SEED})`, async () => {
    const numRuns = Math.ceil(HISTORIES / TOGETHER / lanes.length);
    await Promise.all(
      lanes.map((store, lane) =>
        fc.assert(
          fc.asyncProperty(histories, fc.infiniteStream(choices), (together, stream) =>
            play(store, together, () => stream.next().value),
          ),
          { numRuns, seed: SEED + lane },
        ),
      ),
    );
  }, 900_000);
});
