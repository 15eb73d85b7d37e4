import type { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { consumeQuota } from '@/workflows/consumeQuota.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { eraseUser, exportUser } from '@/workflows/personalData.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { contextOf, NO_GRACE } from '../support/context.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import { Crash, Interleaving } from '../support/interleave.ts';

const store = useDatabase();
const ctx = contextOf(store);
const { AuditEntry, ImageGeneration, LedgerEntry, Subscription, User } = store.models;

const SECRETS = ['fairy', 'ugly', 'person@example.com', 'A Person', 'because', 'cus_secret', 'mine.png'];

/** A user with one generation of each status, and words that tell of them everywhere. */
async function someone() {
  const _id = await signUp(store, 'plus');
  await User.updateOne({ _id }, { email: 'person@example.com', name: 'A Person' });
  const { clerkUserId } = await readUser(store, _id);
  const request = { type: 'text-to-image', prompt: 'a fairy', negativePrompt: 'ugly' } as const;
  const create = async () => {
    const { generation } = await createGeneration(ctx, { _id }, request);
    return ImageGeneration.hydrate(generation);
  };
  const [completed, processing] = [await create(), await create(), await create()];
  await completed?.markAsProcessing();
  await completed?.markAsCompleted([{ url: '/images/mine.png', filename: 'mine.png', size: 3 }]);
  await processing?.markAsProcessing();
  await consumeQuota(ctx, { _id }, { credits: 2, reason: 'because' });
  await Subscription.create({
    userId: _id,
    tier: 'plus',
    status: 'canceled',
    stripeCustomerId: 'cus_secret',
    currentPeriodEnd: store.clock.now(),
    metadata: { note: 'because' },
  });
  return { _id, clerkUserId };
}

async function everythingAbout(_id: Types.ObjectId): Promise<string> {
  return JSON.stringify([
    await readUser(store, _id),
    await ImageGeneration.find({ userId: _id }).setOptions({ withDeleted: true }).lean(),
    await LedgerEntry.find({ userId: _id }).lean(),
    await Subscription.find({ userId: _id }).setOptions({ withDeleted: true }).lean(),
    await AuditEntry.find({ 'subject.id': _id }).lean(),
  ]);
}

const actor = { kind: 'library' } as const;

describe('erasing a user', () => {
  it('leaves no word of them, no picture, and a ledger whose sums are right', async () => {
    const { _id, clerkUserId } = await someone();
    const removed: string[] = [];
    await eraseUser(store, { clerkUserId }, { actor, removePicture: async (name) => void removed.push(name) });
    const left = await everythingAbout(_id);
    for (const secret of [...SECRETS, clerkUserId]) expect(left).not.toContain(secret);
    expect(removed).toEqual(['mine.png']);
    expect((await verifyLedger(store)).violations).toEqual([]);
    // Of three generations one was delivered; two were refunded when they ended.
    expect(await readUser(store, _id)).toMatchObject({ monthlyUsage: 3, isDeleted: true });
    expect(await LedgerEntry.countDocuments({ userId: _id })).toBe(6);
    const trail = await AuditEntry.find({ 'subject.id': _id }).sort({ _id: 1 }).lean();
    expect(trail.map(({ action }) => action)).toEqual(['user.deleted', 'user.erased']);
  });

  it('cut off at any command, is finished by another run', async () => {
    for (let cut = 1; ; cut += 1) {
      const { _id } = await someone();
      const interleaving = new Interleaving();
      const run = interleaving.start(() => eraseUser(store, { _id }, { actor, removePicture: async () => {} }));
      let commands = 0;
      await interleaving.play(() => ({ index: 0, fate: ++commands === cut ? 'after' : 'lives' }));
      const ended = await run;
      if (ended.status === 'rejected') expect(ended.reason).toBeInstanceOf(Crash);
      await eraseUser(store, { _id }, { actor, removePicture: async () => {} });
      await sweep(ctx, NO_GRACE);
      const left = await everythingAbout(_id);
      for (const secret of SECRETS) expect(left).not.toContain(secret);
      expect((await verifyLedger(store)).violations).toEqual([]);
      if (ended.status === 'fulfilled') {
        expect(cut).toBeGreaterThan(10);
        return;
      }
    }
  });

  it('is refused while Stripe is paid for them', async () => {
    const { _id } = await someone();
    await Subscription.create({
      userId: _id,
      tier: 'plus',
      status: 'active',
      stripeSubscriptionId: 'sub_going_on',
      currentPeriodEnd: new Date(store.clock.now().getTime() + 1000),
    });
    await expect(eraseUser(store, { _id }, { actor, removePicture: async () => {} })).rejects.toMatchObject({
      code: 'conflict',
    });
  });
});

describe('exporting a user', () => {
  it('gives everything that is kept, as JSON, and the audit trail says so', async () => {
    const { _id, clerkUserId } = await someone();
    const exported = JSON.stringify(await exportUser(store, { _id }, actor));
    for (const secret of [...SECRETS, clerkUserId]) expect(exported).toContain(secret);
    expect(await AuditEntry.countDocuments({ 'subject.id': _id, action: 'user.exported' })).toBe(1);
  });
});
