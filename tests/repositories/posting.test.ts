import fc from 'fast-check';
import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { UserNotFoundError } from '@/domain/errors.ts';
import { LEISURE_MS } from '@/domain/ledger.ts';
import { periodAt } from '@/domain/periods.ts';
import { quotaOf } from '@/domain/quota.ts';
import { usersOf } from '@/models/collections.ts';
import { type Outcome, post } from '@/models/statements/accounts.ts';
import type { Comeback, Posting } from '@/models/statements/posting/posting.ts';
import { readUser, START, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const DAY = 86_400_000;

const charge = (credits: number, more: Partial<Posting & { kind: 'charge' }> = {}): Posting => ({
  id: new Types.ObjectId(),
  kind: 'charge',
  credits,
  ...more,
});

async function chargeOf(_id: Types.ObjectId, credits: number): Promise<Outcome> {
  return post(store, { _id }, charge(credits));
}

describe('a charge', () => {
  it('takes its credits and records itself in the same write', async () => {
    const user = await signUp(store);
    const outcome = await chargeOf(user, 3);
    expect(outcome).toMatchObject({ result: 'posted', entry: { kind: 'charge', credits: 3, balance: 7, sequence: 1 } });
    const { monthlyUsage, openEntries, entrySequence, sweepAt } = await readUser(store, user);
    expect({ monthlyUsage, entrySequence, sweepAt }).toEqual({
      monthlyUsage: 3,
      entrySequence: 1,
      // Nobody waits for it, so that the sweeper leaves it to the leisure of whoever made it.
      sweepAt: new Date(store.clock.now().getTime() + LEISURE_MS),
    });
    expect(Object.values(openEntries)).toHaveLength(1);
  });

  it('may use the quota up, and not a credit more', async () => {
    const user = await signUp(store);
    await chargeOf(user, 9);
    expect(await chargeOf(user, 2)).toMatchObject({ result: 'refused' });
    expect(await chargeOf(user, 1)).toMatchObject({ result: 'posted', entry: { balance: 0 } });
    expect(await chargeOf(user, 1)).toMatchObject({ result: 'refused' });
    expect(await readUser(store, user)).toMatchObject({ monthlyUsage: 10, entrySequence: 2 });
  });

  it('overspends under no race: of 60 at once, as many pass as there are credits', async () => {
    const user = await signUp(store);
    const outcomes = await Promise.all(Array.from({ length: 60 }, () => chargeOf(user, 1)));
    expect(outcomes.filter(({ result }) => result === 'posted')).toHaveLength(10);
    expect(await readUser(store, user)).toMatchObject({ monthlyUsage: 10, entrySequence: 10 });
  });

  it('happens once under one key, however many twins race', async () => {
    const user = await signUp(store);
    const twins = await Promise.all(
      Array.from({ length: 30 }, () => post(store, { _id: user }, charge(2, { key: 'one-key' }))),
    );
    expect(twins.filter(({ result }) => result === 'posted')).toHaveLength(1);
    expect(twins.filter(({ result }) => result === 'repeated')).toHaveLength(29);
    const ids = new Set(twins.map((twin) => ('entry' in twin ? twin.entry.id.toHexString() : 'none')));
    expect(ids.size).toBe(1);
    expect((await readUser(store, user)).monthlyUsage).toBe(2);
  });

  it('that is sent again after a lost answer is the same charge', async () => {
    const user = await signUp(store);
    const posting = charge(2);
    await post(store, { _id: user }, posting);
    expect(await post(store, { _id: user }, posting)).toMatchObject({ result: 'posted', entry: { sequence: 1 } });
    expect((await readUser(store, user)).monthlyUsage).toBe(2);
  });

  it('takes a generation along word for word, whatever its prompt looks like', async () => {
    const user = await signUp(store);
    const prompts = ['$monthlyUsage', '$$ROOT', '{"$gt": ""}', 'a.b', '\u0000', '💡'];
    for (const prompt of prompts) {
      const draft = new store.models.ImageGeneration({ type: 'text-to-image', prompt }).toObject();
      const outcome = await post(store, { _id: user }, charge(1, { generationId: draft._id, generation: draft }));
      expect(outcome).toMatchObject({ result: 'posted', entry: { generation: { prompt } } });
    }
  });

  it('counts as images when it is for no generation', async () => {
    const user = await signUp(store);
    await chargeOf(user, 3);
    await post(store, { _id: user }, charge(1, { generationId: new Types.ObjectId() }));
    expect((await readUser(store, user)).totalImagesGenerated).toBe(3);
  });

  it('is refused to a deleted user and to nobody at all, by clear words', async () => {
    const user = await signUp(store);
    await store.models.User.updateOne({ _id: user }, { isDeleted: true, deletedAt: store.clock.now() });
    await expect(chargeOf(user, 1)).rejects.toMatchObject({ code: 'account_deleted' });
    await expect(chargeOf(new Types.ObjectId(), 1)).rejects.toThrow(UserNotFoundError);
    expect((await readUser(store, user)).monthlyUsage).toBe(0);
  });

  it('that came after its key may have been forgotten asks for another look-up', async () => {
    const user = await signUp(store);
    await store.models.User.updateOne({ _id: user }, { forgottenThrough: START });
    const keyed = charge(1, { key: 'k' });
    const before = new Date(START.getTime() - 1);
    expect(await post(store, { _id: user }, keyed, { forgottenBefore: before })).toMatchObject({ result: 'stale' });
    expect(await post(store, { _id: user }, keyed, { forgottenBefore: START })).toMatchObject({ result: 'stale' });
    expect(await post(store, { _id: user }, keyed, { forgottenThrough: before })).toMatchObject({ result: 'stale' });
    expect((await readUser(store, user)).monthlyUsage).toBe(0);
    expect(await post(store, { _id: user }, keyed, { forgottenThrough: START })).toMatchObject({ result: 'posted' });
  });
});

describe('a period', () => {
  it('ends by itself in the very charge that comes after its reset date, with a line in the ledger', async () => {
    const user = await signUp(store);
    await post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'grant', credits: 5 });
    await chargeOf(user, 12);
    const { quotaResetDate } = await readUser(store, user);
    const before = store.clock.now();
    store.clock.set(quotaResetDate);
    const outcome = await chargeOf(user, 4);
    store.clock.set(before);
    expect(outcome).toMatchObject({ result: 'posted', entry: { sequence: 4, balance: 6, period: 2 } });
    const after = await readUser(store, user);
    expect(after).toMatchObject({ monthlyUsage: 4, grantedCredits: 0, periodNumber: 2, periodStart: quotaResetDate });
    const reset = Object.values(after.openEntries).find(({ kind }) => kind === 'reset');
    expect(reset).toMatchObject({ sequence: 3, credits: 10, balance: 10, period: 2 });
  });

  it('ends also when the charge itself is refused', async () => {
    const user = await signUp(store);
    await chargeOf(user, 10);
    const before = store.clock.now();
    store.clock.advance(40 * DAY);
    const outcome = await chargeOf(user, 11);
    store.clock.set(before);
    expect(outcome.result).toBe('refused');
    expect(await readUser(store, user)).toMatchObject({ monthlyUsage: 0, periodNumber: 2 });
  });

  it('is the same inside the database as in the rules, for any sign-up and any absence', async () => {
    const instants = fc.date({
      min: new Date('2000-01-01T00:00:00Z'),
      max: new Date('2060-01-01T00:00:00Z'),
      noInvalidDate: true,
    });
    const user = await signUp(store);
    const before = store.clock.now();
    await fc.assert(
      fc.asyncProperty(instants, fc.integer({ min: 0, max: 3000 * DAY }), async (quotaAnchor, away) => {
        const now = new Date(quotaAnchor.getTime() + away);
        const { end } = periodAt(quotaAnchor, quotaAnchor);
        await store.models.User.updateOne(
          { _id: user },
          { quotaAnchor, periodStart: quotaAnchor, quotaResetDate: end, monthlyUsage: 7, openEntries: {} },
        );
        store.clock.set(now);
        const expected = quotaOf(await readUser(store, user), now);
        await post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'grant', credits: 1 });
        const account = await readUser(store, user);
        expect(account.quotaResetDate).toEqual(expected.resetsAt);
        expect(account.periodStart).toEqual(periodAt(quotaAnchor, now).start);
        expect(account.monthlyUsage).toBe(expected.used);
      }),
      { numRuns: 200 },
    );
    store.clock.set(before);
  });

  it('is begun once by any number of requests that come after its end', async () => {
    const user = await signUp(store);
    await chargeOf(user, 10);
    const before = store.clock.now();
    store.clock.advance(40 * DAY);
    await Promise.all(Array.from({ length: 20 }, () => chargeOf(user, 1)));
    store.clock.set(before);
    expect(await readUser(store, user)).toMatchObject({ monthlyUsage: 10, periodNumber: 2, entrySequence: 12 });
  });
});

describe('a refund', () => {
  const refund = (chargeId: Types.ObjectId, credits: number, period: number): Posting => ({
    id: new Types.ObjectId(),
    kind: 'refund',
    credits,
    period,
    chargeId,
  });

  it('gives a charge back once, however many post it', async () => {
    const user = await signUp(store);
    const paid = charge(4);
    await post(store, { _id: user }, paid);
    const refunds = await Promise.all(
      Array.from({ length: 10 }, () => post(store, { _id: user }, refund(paid.id, 4, 1))),
    );
    expect(refunds.filter(({ result }) => result === 'posted')).toHaveLength(1);
    expect(await readUser(store, user)).toMatchObject({ monthlyUsage: 0, entrySequence: 2 });
  });

  it('of a period that is over is recorded, and leaves the new month as it is', async () => {
    const user = await signUp(store);
    const paid = charge(4);
    await post(store, { _id: user }, paid);
    const before = store.clock.now();
    store.clock.advance(40 * DAY);
    await chargeOf(user, 3);
    const outcome = await post(store, { _id: user }, refund(paid.id, 4, 1));
    store.clock.set(before);
    expect(outcome).toMatchObject({ result: 'posted', entry: { kind: 'refund', credits: 4, period: 1, balance: 7 } });
    expect((await readUser(store, user)).monthlyUsage).toBe(3);
  });

  it('reaches a user who has been deleted', async () => {
    const user = await signUp(store);
    const paid = charge(4);
    await post(store, { _id: user }, paid);
    await store.models.User.updateOne({ _id: user }, { isDeleted: true });
    expect(await post(store, { _id: user }, refund(paid.id, 4, 1))).toMatchObject({ result: 'posted' });
    expect((await readUser(store, user)).monthlyUsage).toBe(0);
  });
});

describe('grants, resets and deliveries', () => {
  it('a grant raises the limit of this period', async () => {
    const user = await signUp(store);
    await post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'grant', credits: 15, reason: 'sorry' });
    expect(await chargeOf(user, 25)).toMatchObject({ result: 'posted', entry: { balance: 0 } });
    expect(await chargeOf(user, 1)).toMatchObject({ result: 'refused' });
  });

  it('a reset by hand begins a new period and keeps its end', async () => {
    const user = await signUp(store);
    await chargeOf(user, 10);
    const { quotaResetDate } = await readUser(store, user);
    await post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'reset' });
    expect(await readUser(store, user)).toMatchObject({ monthlyUsage: 0, periodNumber: 2, quotaResetDate });
  });

  it('a reset is of the period that was seen: two who saw the same one reset it once', async () => {
    const user = await signUp(store);
    await chargeOf(user, 10);
    const reset = () => post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'reset', ifPeriod: 1 });
    expect((await Promise.all([reset(), reset()])).map(({ result }) => result).sort()).toEqual(['posted', 'refused']);
    await chargeOf(user, 4);
    expect(await reset()).toMatchObject({ result: 'refused' });
    expect(await readUser(store, user)).toMatchObject({ monthlyUsage: 4, periodNumber: 2 });
  });

  it('a delivery is counted once and moves no credits', async () => {
    const user = await signUp(store);
    const generationId = new Types.ObjectId();
    const deliver = () =>
      post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'delivery', credits: 3, generationId });
    await Promise.all([deliver(), deliver(), deliver()]);
    const { totalImagesGenerated, monthlyUsage, entrySequence } = await readUser(store, user);
    expect({ totalImagesGenerated, monthlyUsage, entrySequence }).toEqual({
      totalImagesGenerated: 3,
      monthlyUsage: 0,
      entrySequence: 0,
    });
  });

  it('a deletion and a restoration are told once: what is so already is not done again', async () => {
    const user = await signUp(store);
    const of = async (kind: 'deletion' | 'restoration') =>
      (await post(store, { _id: user }, { id: new Types.ObjectId(), kind })).result;
    expect([await of('restoration'), await of('deletion'), await of('deletion')]).toEqual([
      'refused',
      'posted',
      'refused',
    ]);
    expect([await of('restoration'), await of('restoration')]).toEqual(['posted', 'refused']);
    const { openEntries } = await readUser(store, user);
    expect(Object.values(openEntries).map(({ kind }) => kind)).toEqual(['deletion', 'restoration']);
  });

  it('a deletion by older word than what is known is refused', async () => {
    const user = await signUp(store);
    await usersOf(store).updateOne({ _id: user }, { $set: { identityVersion: 20 } });
    const deleteBy = async (version: number) =>
      (await post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'deletion', identity: { version } })).result;
    expect([await deleteBy(19), await deleteBy(20), await deleteBy(21)]).toEqual(['refused', 'refused', 'posted']);
    expect(await readUser(store, user)).toMatchObject({ isDeleted: true, identityVersion: 21 });
  });

  it('a comeback is to the account that was read: not to one that was erased or heard of since', async () => {
    const user = await signUp(store);
    const erasedAt = store.clock.now();
    await usersOf(store).updateOne({ _id: user }, { $set: { isDeleted: true, erasedAt, identityVersion: 20 } });
    const { clerkUserId } = await readUser(store, user);
    const comeBack = async (asRead: Comeback['asRead']) => {
      const comeback = {
        version: 30,
        email: 'back@example.com',
        name: 'Back',
        clerkUserId,
        identityHashes: [],
        asRead,
      };
      return (await post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'restoration', comeback })).result;
    };
    expect(await comeBack({ identityVersion: 20, erasedAt: null })).toBe('refused');
    expect(await comeBack({ identityVersion: 19, erasedAt })).toBe('refused');
    expect(await comeBack({ identityVersion: 20, erasedAt })).toBe('posted');
    expect(await readUser(store, user)).toMatchObject({ isDeleted: false, identityVersion: 30, name: 'Back' });
  });

  it('an erasure is of the person who was meant, and of a deleted account alone', async () => {
    const user = await signUp(store);
    const erase = async (clerkUserId: string) => {
      const erasure = {
        kind: 'erasure',
        clerkUserId,
        pseudonym: `erased_${user}`,
        identityHashes: [`hash of ${user}`],
      } as const;
      return (await post(store, { _id: user }, { id: new Types.ObjectId(), ...erasure })).result;
    };
    const { clerkUserId } = await readUser(store, user);
    expect(await erase(clerkUserId)).toBe('refused');
    await post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'deletion' });
    expect([await erase('somebody_else'), await erase(clerkUserId)]).toEqual(['refused', 'posted']);
  });

  it('a downgrade below what was used leaves nothing to spend, and a balance that is not negative', async () => {
    const user = await signUp(store, 'plus');
    await chargeOf(user, 60);
    await store.models.User.updateOne({ _id: user }, { subscriptionTier: 'free' });
    expect(await chargeOf(user, 1)).toMatchObject({ result: 'refused' });
    const outcome = await post(store, { _id: user }, { id: new Types.ObjectId(), kind: 'grant', credits: 1 });
    expect(outcome).toMatchObject({ result: 'posted', entry: { balance: 0 } });
  });
});
