import fc from 'fast-check';
import { Types } from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import { LEISURE_MS } from '@/domain/ledger.ts';
import { SUBSCRIPTION_TIERS } from '@/domain/tiers.ts';
import { ledgerOf, usersOf } from '@/models/collections.ts';
import { postInFull, type UserReference } from '@/models/statements/accounts.ts';
import { chargeAlone, chargeTogether, type Taking } from '@/models/statements/chargingTogether.ts';
import type { ChargePosting } from '@/models/statements/posting/posting.ts';
import { deleteUser } from '@/repositories/accounts.ts';
import { chargingTogether } from '@/repositories/charging.ts';
import { settle } from '@/repositories/settlement.ts';
import { sweep } from '@/workflows/sweep.ts';
import { clearBooks, faultsIn, readBooks } from '../support/books.ts';
import { behindGate } from '../support/commandGate.ts';
import { commandsDuring } from '../support/commands.ts';
import { contextOf, NO_GRACE } from '../support/context.ts';
import { readUser, START, signUp, useDatabase } from '../support/database.ts';
import { asProcess, FAULTS } from '../support/interleave.ts';

const store = useDatabase();
const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
const actor = { kind: 'admin', id: 'user_admin' } as const;

const posting = (credits = 1, reason?: string): ChargePosting => ({
  id: new Types.ObjectId(),
  kind: 'charge',
  credits,
  ...(reason !== undefined && { reason }),
});
const taking = (user: UserReference, credits = 1): Taking => ({ user, posting: posting(credits) });
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

/** What became of each, in one word. */
async function ends(takings: Taking[]): Promise<string[]> {
  const results = await chargeTogether(store, takings);
  return results.map((result) =>
    result.status === 'fulfilled' ? result.value.result : (result.reason.code ?? result.reason.name),
  );
}

/** What another process does meanwhile: whatever stands in the way of this one's commands. */
const settleElsewhere = (users: Types.ObjectId[]) =>
  behindGate(
    ({ send }) => send(),
    () => settle(store, users),
  );

/** Settles everything, and adds every ledger up. */
async function expectSoundBooks(): Promise<void> {
  await sweep(contextOf(store), NO_GRACE);
  const books = await readBooks(store);
  expect(books.flatMap((each) => faultsIn(each, store.clock.now()))).toEqual([]);
}

beforeEach(async () => {
  await clearBooks(store);
  store.clock.set(START);
});

describe('charges that are made together', () => {
  it('are two commands, however many they are and of however many users', async () => {
    const users = await Promise.all(times(5, () => signUp(store, 'pro')));
    const takings = users.flatMap((_id) => times(40, () => taking({ _id }, 2)));
    const commands = await commandsDuring(store.connection, async () => {
      expect(new Set(await ends(takings))).toEqual(new Set(['posted']));
    });
    expect(commands).toEqual(['update', 'find']);
    for (const user of users) {
      expect(await readUser(store, user)).toMatchObject({
        monthlyUsage: 80,
        totalImagesGenerated: 80,
        entrySequence: 40,
        sweepAt: new Date(START.getTime() + LEISURE_MS),
      });
    }
    await expectSoundBooks();
  });

  it('of one account or two are one statement each, answered with the account', async () => {
    const [one, other] = [await signUp(store, 'plus'), await signUp(store, 'plus')];
    const takings = times(8, () => [taking({ _id: one }, 2), taking({ _id: other })]).flat();
    const commands = await commandsDuring(store.connection, async () => {
      const results = await chargeTogether(store, takings);
      expect(results.map((result) => result.status === 'fulfilled' && result.value.account.monthlyUsage)).toEqual(
        times(8, () => [16, 8]).flat(),
      );
    });
    expect(commands).toEqual(['findAndModify', 'findAndModify']);
    await expectSoundBooks();
  });

  it('of one account that do not fit together are tried one by one', async () => {
    const _id = await signUp(store);
    const words = await ends(times(6, () => taking({ _id }, 3)));
    expect(words.filter((word) => word === 'posted')).toHaveLength(3);
    expect(words.filter((word) => word === 'refused')).toHaveLength(3);
    expect(await readUser(store, _id)).toMatchObject({ monthlyUsage: 9, entrySequence: 3 });
    await expectSoundBooks();
  });

  it('have each the place and the balance in the ledger that they would have one after the other', async () => {
    const _id = await signUp(store);
    await chargeTogether(store, [taking({ _id }, 1), taking({ _id }, 4), taking({ _id }, 2)]);
    await settle(store, [_id]);
    const ledger = await ledgerOf(store).find({ userId: _id }).sort({ sequence: 1 }).toArray();
    expect(ledger.map(({ sequence, credits, balance }) => [sequence, credits, balance])).toEqual([
      [1, 1, 9],
      [2, 4, 5],
      [3, 2, 3],
    ]);
    expect(await readUser(store, _id)).toMatchObject({ openEntries: {}, monthlyUsage: 7 });
  });

  it('leave the lines that the statement for everything would have left, whatever the account was', async () => {
    const accounts = fc.record({
      subscriptionTier: fc.constantFrom(...SUBSCRIPTION_TIERS),
      monthlyUsage: fc.nat({ max: 9 }),
      grantedCredits: fc.nat({ max: 200 }),
      entrySequence: fc.nat({ max: 50 }),
      periodNumber: fc.integer({ min: 1, max: 30 }),
    });
    const linesOf = async (_id: Types.ObjectId) => {
      await settle(store, [_id]);
      const lines = await ledgerOf(store).find({ userId: _id }).sort({ sequence: 1 }).toArray();
      return lines.map(({ _id: _, userId: __, ...line }) => line);
    };
    await fc.assert(
      fc.asyncProperty(accounts, fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 }), async (account, sizes) => {
        const [together, alone, inFull] = await Promise.all([signUp(store), signUp(store), signUp(store)]);
        await usersOf(store).updateMany({ _id: { $in: [together, alone, inFull] } }, { $set: account });
        await chargeTogether(
          store,
          sizes.map((credits) => taking({ _id: together }, credits)),
        );
        for (const credits of sizes) {
          await chargeAlone(store, taking({ _id: alone }, credits));
          await postInFull(store, { _id: inFull }, posting(credits));
        }
        const expected = await linesOf(inFull);
        expect(await linesOf(alone)).toEqual(expected);
        // The free tier may hold fewer than all: then they are made one by one, in any order.
        if (expected.length === sizes.length) expect(await linesOf(together)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('keep a reason that looks like an expression as it is', async () => {
    const _id = await signUp(store);
    await chargeTogether(store, [
      { user: { _id }, posting: posting(1, '$email') },
      { user: { _id }, posting: posting(1, '$$ROOT') },
    ]);
    await settle(store, [_id]);
    const ledger = await ledgerOf(store).find({ userId: _id }).sort({ sequence: 1 }).toArray();
    expect(ledger.map(({ reason }) => reason)).toEqual(['$email', '$$ROOT']);
  });

  it('overspend no account: as many pass as there are credits, and those of others all', async () => {
    const [poor, rich] = [await signUp(store), await signUp(store, 'plus')];
    const takings = [...times(35, () => taking({ _id: poor })), ...times(20, () => taking({ _id: rich }))];
    const words = await ends(takings);
    expect(words.slice(0, 35).filter((word) => word === 'posted')).toHaveLength(10);
    expect(words.slice(0, 35).filter((word) => word === 'refused')).toHaveLength(25);
    expect(words.slice(35)).toEqual(times(20, () => 'posted'));
    expect(await readUser(store, poor)).toMatchObject({ monthlyUsage: 10, entrySequence: 10 });
    expect(await readUser(store, rich)).toMatchObject({ monthlyUsage: 20, entrySequence: 20 });
    await expectSoundBooks();
  });

  it('begin a period that is due, once', async () => {
    const _id = await signUp(store);
    await chargeTogether(store, [taking({ _id }, 9)]);
    store.clock.set(new Date('2026-04-11T09:00:00.000Z'));
    expect(await ends(times(6, () => taking({ _id })))).toEqual(times(6, () => 'posted'));
    expect(await readUser(store, _id)).toMatchObject({ monthlyUsage: 6, periodNumber: 2 });
    await expectSoundBooks();
  });

  it('fail each for itself: of nobody, of somebody deleted, of an account that cannot be read', async () => {
    const [deleted, damaged, sound] = [await signUp(store), await signUp(store), await signUp(store)];
    await deleteUser(store, { _id: deleted }, actor);
    await usersOf(store).updateOne({ _id: damaged }, [{ $set: { entrySequence: 'seven' } }]);
    const { clerkUserId } = await readUser(store, sound);
    const takings = [{ clerkUserId }, { _id: damaged }, { _id: deleted }, { clerkUserId: 'nobody' }, { _id: sound }];
    expect(await ends(takings.map((user) => taking(user)))).toEqual([
      'posted',
      14,
      'account_deleted',
      'not_found',
      'posted',
    ]);
    expect(await readUser(store, sound)).toMatchObject({ monthlyUsage: 2 });
  });

  it('are not made again where somebody settles them before it is known which were made', async () => {
    const [_id, deleted] = [await signUp(store), await signUp(store)];
    await deleteUser(store, { _id: deleted }, actor);
    const takings = [taking({ _id }, 3), taking({ _id: deleted })];
    let isSettled = false;
    const words = await behindGate(
      async ({ name, send }) => {
        // The deleted one is refused, so that the other is looked for: in an account that has nothing open any more.
        if (name === 'toArray' && !isSettled) {
          isSettled = true;
          await settleElsewhere([_id]);
        }
        return send();
      },
      () => ends(takings),
    );
    expect(words).toEqual(['posted', 'account_deleted']);
    expect(await readUser(store, _id)).toMatchObject({ monthlyUsage: 3, entrySequence: 1, openEntries: {} });
    await expectSoundBooks();
  });

  it('take what they say and no more, whatever becomes of any command', async () => {
    const cases = fc.record({
      charges: fc.array(fc.record({ user: fc.nat(3), credits: fc.integer({ min: 1, max: 4 }) }), {
        minLength: 1,
        maxLength: 24,
      }),
      at: fc.nat(5),
      fault: fc.constantFrom(...FAULTS),
      settles: fc.nat(5),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ charges, at, fault, settles }) => {
        await clearBooks(store);
        const users = await Promise.all(times(4, () => signUp(store)));
        const takings = charges.flatMap(({ user, credits }) => {
          const _id = users[user];
          return _id ? [taking({ _id }, credits)] : [];
        });
        let commands = 0;
        const run = asProcess(
          async () => {
            commands += 1;
            if (commands === settles) await settleElsewhere(users);
            return commands === at ? fault : 'lives';
          },
          () => chargeTogether(store, takings),
        );
        const results = await run.catch(() => []);
        await expectSoundBooks();
        const ledger = await ledgerOf(store).find({}).toArray();
        const made = new Map(ledger.map(({ _id, credits }) => [_id.toHexString(), credits]));
        for (const [index, result] of results.entries()) {
          const { id, credits } = takings[index]?.posting ?? posting();
          const taken = made.get(id.toHexString());
          // Who has an answer can rely on it; who has none may have been charged, once.
          if (result.status === 'fulfilled') expect(taken).toBe(result.value.result === 'posted' ? credits : undefined);
          else expect([credits, undefined]).toContain(taken);
        }
      }),
      { seed: SEED, numRuns: 150 },
    );
  });
});

describe('charges at the same time', () => {
  it('go by themselves while they are few', async () => {
    const charging = chargingTogether(store);
    const users = await Promise.all(times(4, () => signUp(store)));
    const commands = await commandsDuring(store.connection, () =>
      Promise.all(users.map((_id) => charging.take({ _id }, posting()))),
    );
    expect(commands).toEqual(times(4, () => 'findAndModify'));
  });

  it('go together when they are many, and none waits for ever', async () => {
    const charging = chargingTogether(store);
    const users = await Promise.all(times(10, () => signUp(store, 'plus')));
    const all = () => Promise.all(users.flatMap((_id) => times(30, () => charging.take({ _id }, posting()))));
    const commands = await commandsDuring(store.connection, async () => {
      const taken = await all();
      expect(taken.every(({ result }) => result === 'posted')).toBe(true);
    });
    expect(commands.length).toBeLessThan(30);
    for (const user of users) expect(await readUser(store, user)).toMatchObject({ monthlyUsage: 30 });
    await expectSoundBooks();
  });

  it('fail together when the database does not answer, and go on when it does', async () => {
    const charging = chargingTogether(store);
    const users = await Promise.all(times(12, () => signUp(store, 'plus')));
    const take = (_id: Types.ObjectId) => charging.take({ _id }, posting());
    const results = await asProcess(
      ({ name }) => (name === 'bulkWrite' ? 'unanswered' : 'lives'),
      () => Promise.allSettled(users.map(take)),
    );
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(10);
    for (const _id of users) expect(await take(_id)).toMatchObject({ result: 'posted' });
    await expectSoundBooks();
  });
});
