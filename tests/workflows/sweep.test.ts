import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { createLog } from '@/config/log.ts';
import { LEISURE_MS } from '@/domain/ledger.ts';
import { auditOf, generationsOf, ledgerOf, subscriptionsOf, usersOf } from '@/models/collections.ts';
import { post } from '@/models/statements/accounts.ts';
import { cancelGeneration, deleteGeneration } from '@/repositories/generations.ts';
import { accountsToSettle, settle } from '@/repositories/settlement.ts';
import { claim } from '@/workflows/claim.ts';
import { consumeQuota } from '@/workflows/consumeQuota.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { contextOf, NO_GRACE } from '../support/context.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const ctx = contextOf(store);

describe('a settlement', () => {
  it('writes the ledger, and leaves behind only what somebody could send again', async () => {
    const _id = await signUp(store);
    await consumeQuota(ctx, { _id }, { credits: 1 });
    await consumeQuota(ctx, { _id }, { credits: 2 }, { key: `${_id}-k`, fingerprint: 'f' });
    await settle(store, [_id]);
    const { openEntries, sweepAt } = await readUser(store, _id);
    expect(Object.values(openEntries)).toMatchObject([{ credits: 2, settledAt: store.clock.now() }]);
    expect(sweepAt).toEqual(new Date(store.clock.now().getTime() + 120_000));
    expect(await ledgerOf(store).find({ userId: _id }).sort({ sequence: 1 }).toArray()).toMatchObject([
      { sequence: 1, kind: 'charge', credits: 1, balance: 9, period: 1 },
      { sequence: 2, kind: 'charge', credits: 2, balance: 7, key: `${_id}-k` },
    ]);
  });

  it('forgets a key two minutes later, and then has nothing more to do', async () => {
    const _id = await signUp(store);
    await consumeQuota(ctx, { _id }, { credits: 2 }, { key: `${_id}-k`, fingerprint: 'f' });
    const settledAt = store.clock.now();
    await settle(store, [_id]);
    store.clock.advance(119_999);
    await sweep(ctx, NO_GRACE);
    expect(Object.values((await readUser(store, _id)).openEntries)).toHaveLength(1);
    store.clock.advance(1);
    await sweep(ctx, NO_GRACE);
    const user = await readUser(store, _id);
    expect(user.openEntries).toEqual({});
    expect(user.forgottenThrough).toEqual(settledAt);
    expect('sweepAt' in user).toBe(false);
  });

  it('may be done by many at once', async () => {
    const _id = await signUp(store, 'plus');
    await Promise.all(Array.from({ length: 30 }, () => consumeQuota(ctx, { _id }, { credits: 1 })));
    await Promise.all(Array.from({ length: 8 }, () => settle(store, [_id])));
    expect(await ledgerOf(store).countDocuments({ userId: _id })).toBe(30);
    expect((await readUser(store, _id)).openEntries).toEqual({});
  });

  it('refuses to close an entry whose place in the ledger another one holds', async () => {
    const _id = await signUp(store);
    await consumeQuota(ctx, { _id }, { credits: 1 });
    const foreign = {
      userId: _id,
      sequence: 1,
      kind: 'charge' as const,
      credits: 9,
      balance: 1,
      period: 1,
      at: new Date(),
    };
    await ledgerOf(store).insertOne({ _id: new Types.ObjectId(), ...foreign });
    await expect(settle(store, [_id])).rejects.toThrow(/other entries in the place/);
    expect(Object.keys((await readUser(store, _id)).openEntries)).toHaveLength(1);
    expect((await verifyLedger(store)).violations.map(({ userId }) => userId)).toEqual([_id]);
    await usersOf(store).deleteOne({ _id });
  });
});

describe('a sweep', () => {
  it('leaves young entries to the process that made them', async () => {
    const _id = await signUp(store);
    await consumeQuota(ctx, { _id }, { credits: 1 });
    expect(await sweep(ctx)).toMatchObject({ entriesSettled: 0 });
    store.clock.advance(LEISURE_MS);
    expect(await sweep(ctx)).toMatchObject({ entriesSettled: 0 });
    store.clock.advance(2_000);
    expect(await sweep(ctx)).toMatchObject({ entriesSettled: 1 });
  });

  it('takes up sooner what somebody waits for', async () => {
    const _id = await signUp(store);
    await consumeQuota(ctx, { _id }, { credits: 1 }, { key: `${_id}-k`, fingerprint: 'f' });
    expect(await sweep(ctx)).toMatchObject({ entriesSettled: 0 });
    store.clock.advance(2_000);
    expect(await sweep(ctx)).toMatchObject({ entriesSettled: 1 });
  });

  it('finishes also what a process left whose clock ran far ahead', async () => {
    const _id = await signUp(store);
    const before = store.clock.now();
    store.clock.advance(40 * 86_400_000);
    await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'A bay' });
    const claimed = await claim(ctx, { workerId: 'w', leaseSeconds: 60 });
    store.clock.set(before);
    await sweep(ctx, NO_GRACE);
    expect((await readUser(store, _id)).openEntries).toEqual({});
    const again = await claim(ctx, { workerId: 'w', leaseSeconds: 60 });
    expect(again?._id).toEqual(claimed?._id);
  });

  it('works through more accounts than one batch holds', async () => {
    const ids = await Promise.all(Array.from({ length: 230 }, () => signUp(store)));
    await Promise.all(ids.map((_id) => consumeQuota(ctx, { _id }, { credits: 1 })));
    expect(await sweep(ctx, NO_GRACE)).toMatchObject({ entriesSettled: 230 });
    expect(await accountsToSettle(store, store.clock.now())).toEqual([]);
  });

  it('finishes what a crash left also behind more forgettable keys than one batch holds', async () => {
    const ids = await Promise.all(Array.from({ length: 130 }, () => signUp(store)));
    await Promise.all(
      ids.map((_id) => consumeQuota(ctx, { _id }, { credits: 1 }, { key: `${_id}-k`, fingerprint: 'f' })),
    );
    await sweep(ctx, NO_GRACE);
    store.clock.advance(120_000);
    const left = await signUp(store);
    store.clock.advance(1);
    await consumeQuota(ctx, { _id: left }, { credits: 1 });
    expect(await sweep(ctx, NO_GRACE)).toMatchObject({ entriesSettled: 1 });
    expect(await accountsToSettle(store, store.clock.now())).toEqual([]);
  });

  it('pays others also when more obligations than one batch holds cannot be paid', async () => {
    const orphan = {
      userId: new Types.ObjectId(),
      type: 'text-to-image',
      prompt: 'p',
      status: 'failed',
      owes: 'refund',
    };
    const charge = () => ({ id: new Types.ObjectId(), credits: 1, period: 1 });
    const orphans = Array.from({ length: 120 }, () => ({ ...orphan, charge: charge() }));
    await store.models.ImageGeneration.insertMany(orphans);
    const _id = await signUp(store);
    const { generation } = await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'A bay' });
    await cancelGeneration(store, _id, generation._id);
    expect(await sweep(ctx, NO_GRACE)).toMatchObject({ obligationsPaid: 1 });
    expect((await readUser(store, _id)).monthlyUsage).toBe(0);
    await generationsOf(store).deleteMany({ userId: orphan.userId });
  });

  it('lets an account follow its subscription also behind more that cannot be followed than one batch holds', async () => {
    const subscription = {
      tier: 'plus',
      status: 'active',
      currentPeriodEnd: new Date(store.clock.now().getTime() + 86_400_000),
    };
    const unapplied = store.clock.now();
    const orphans = Array.from({ length: 120 }, () => ({ ...subscription, userId: new Types.ObjectId(), unapplied }));
    await store.models.Subscription.insertMany(orphans);
    store.clock.advance(1);
    const _id = await signUp(store);
    await store.models.Subscription.insertMany([{ ...subscription, userId: _id, unapplied: store.clock.now() }]);
    expect(await sweep(ctx, NO_GRACE)).toMatchObject({ subscriptionsFollowed: 1 });
    expect((await readUser(store, _id)).subscriptionTier).toBe('plus');
    await subscriptionsOf(store).deleteMany({});
  });

  it('records all open acts, also behind more documents that it cannot read than one batch holds', async () => {
    const damaged = Array.from({ length: 120 }, () => ({
      _id: new Types.ObjectId(),
      openActs: { at: store.clock.now() },
    }));
    await store.connection.collection('imagegenerations').insertMany(damaged);
    const _id = await signUp(store);
    const generations = Array.from({ length: 130 }, () => ({ userId: _id, type: 'text-to-image', prompt: 'A bay' }));
    const inserted = await store.models.ImageGeneration.insertMany(generations);
    const actor = { kind: 'user', id: 'somebody' } as const;
    for (const { _id: id } of inserted) await deleteGeneration(store, _id, id, actor);
    expect(await sweep(ctx, NO_GRACE)).toMatchObject({ actsRecorded: 130 });
    expect(await sweep(ctx, NO_GRACE)).toMatchObject({ actsRecorded: 0 });
    expect(await auditOf(store).countDocuments({ 'subject.id': { $in: inserted.map(({ _id: id }) => id) } })).toBe(130);
    await generationsOf(store).deleteMany({
      $or: [{ userId: _id }, { _id: { $in: damaged.map(({ _id: id }) => id) } }],
    });
  });

  it('ends also when the obligations of an account that cannot be settled fill a batch', async () => {
    const _id = await signUp(store, 'plus');
    for (let made = 0; made < 100; made += 1) {
      const { generation } = await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'A bay' });
      await cancelGeneration(store, _id, generation._id);
    }
    const foreign = { sequence: 1, kind: 'charge' as const, credits: 9, balance: 1, period: 1, at: new Date() };
    await ledgerOf(store).insertOne({ _id: new Types.ObjectId(), userId: _id, ...foreign });
    expect(await sweep(ctx, NO_GRACE)).toMatchObject({ obligationsPaid: 100, entriesSettled: 0 });
    await generationsOf(store).deleteMany({ userId: _id });
    await usersOf(store).deleteOne({ _id });
  });

  it('is not held up by a damaged account, and says so', async () => {
    const [damaged, other] = [await signUp(store), await signUp(store)];
    await consumeQuota(ctx, { _id: damaged }, { credits: 1 });
    await consumeQuota(ctx, { _id: other }, { credits: 1 });
    const foreign = { sequence: 1, kind: 'charge' as const, credits: 9, balance: 1, period: 1, at: new Date() };
    await ledgerOf(store).insertOne({ _id: new Types.ObjectId(), userId: damaged, ...foreign });
    const lines: string[] = [];
    const log = createLog({ level: 'error', write: (line) => lines.push(line) });
    await sweep({ ...contextOf(store), models: store.models, clock: store.clock, log }, NO_GRACE);
    expect((await readUser(store, other)).openEntries).toEqual({});
    expect(lines.join('\n')).toMatch(/left something undone.*other entries in the place/);
    await usersOf(store).deleteOne({ _id: damaged });
  });
});

describe('the settlement of what others have a part in', () => {
  it('marks no generation of another user as paid', async () => {
    const [payer, other] = [await signUp(store), await signUp(store)];
    const [foreign] = await store.models.ImageGeneration.insertMany([
      { userId: other, type: 'text-to-image', prompt: 'p', status: 'pending' },
    ]);
    const generationId = foreign?._id ?? new Types.ObjectId();
    await post(store, { _id: payer }, { id: new Types.ObjectId(), kind: 'charge', credits: 1, generationId });
    await settle(store, [payer]);
    const stored = await store.models.ImageGeneration.findById(generationId).lean();
    expect(stored).not.toHaveProperty('charge');
    expect(stored).not.toHaveProperty('waitingSince');
    await Promise.all([usersOf(store).deleteOne({ _id: payer }), usersOf(store).deleteOne({ _id: other })]);
  });

  it('cancels for a deletion what was asked for before it, and not what came after a restoration', async () => {
    const _id = await signUp(store, 'plus');
    const create = async () =>
      (await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'A bay' })).generation;
    const before = await create();
    store.clock.advance(1_000);
    await post(store, { _id }, { id: new Types.ObjectId(), kind: 'deletion' });
    await post(store, { _id }, { id: new Types.ObjectId(), kind: 'restoration' });
    store.clock.advance(1_000);
    const after = await create();
    await settle(store, [_id]);
    const statusOf = async (id: Types.ObjectId) => (await store.models.ImageGeneration.findById(id))?.status;
    expect([await statusOf(before._id), await statusOf(after._id)]).toEqual(['cancelled', 'pending']);
    await usersOf(store).deleteOne({ _id });
  });
});

describe('the check of the ledger', () => {
  it.each([
    ['usage', { monthlyUsage: 5 }, /used 5, but the ledger says 2/],
    ['grants', { grantedCredits: 4 }, /granted 4, but the ledger says 0/],
    ['a lost entry', { entrySequence: 2 }, /ends at 1, but the account counted to 2/],
  ])('names a user whose %s does not equal it', async (_, damage, words) => {
    const _id = await signUp(store);
    await consumeQuota(ctx, { _id }, { credits: 2 });
    await usersOf(store).updateOne({ _id }, { $set: damage });
    const { violations } = await verifyLedger(store);
    expect(violations).toMatchObject([{ userId: _id, problems: [expect.stringMatching(words)] }]);
    await usersOf(store).deleteOne({ _id });
  });

  it('names a user who was charged for a generation that does not exist', async () => {
    const _id = await signUp(store);
    const generationId = new Types.ObjectId();
    await post(store, { _id }, { id: new Types.ObjectId(), kind: 'charge', credits: 1, generationId });
    const { violations } = await verifyLedger(store);
    expect(violations).toMatchObject([{ userId: _id, problems: [/was charged but does not exist/] }]);
    await usersOf(store).deleteOne({ _id });
  });

  it('names a user whose failed generation was not given back', async () => {
    const _id = await signUp(store);
    const charge = { id: new Types.ObjectId(), credits: 1, period: 1 };
    const generation = { userId: _id, type: 'text-to-image', prompt: 'p', status: 'failed', charge };
    await store.models.ImageGeneration.insertMany([generation]);
    const { violations } = await verifyLedger(store);
    expect(violations).toMatchObject([{ userId: _id, problems: [/is failed but was not refunded/] }]);
  });
});
