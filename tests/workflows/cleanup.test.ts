import fc from 'fast-check';
import { Types } from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import { LIBRARY } from '@/domain/audit.ts';
import { GENERATION_STATUSES } from '@/domain/lifecycle.ts';
import { pictureNameOf, pictureUrl } from '@/domain/pictures.ts';
import { auditOf, generationsOf, ledgerOf, subscriptionsOf, usersOf } from '@/models/collections.ts';
import type { ImageGeneration } from '@/models/ImageGeneration.ts';
import { userAnalytics } from '@/repositories/analytics.ts';
import { claim } from '@/workflows/claim.ts';
import { type Cleanup, type CleanupOptions, performMaintenanceCleanup } from '@/workflows/cleanup.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel, complete, remove } from '@/workflows/endGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { contextOf } from '../support/context.ts';
import { readUser, START, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const ctx = contextOf(store);
const DAY = 24 * 60 * 60 * 1000;
const NOTHING: Cleanup = { oldGenerationsRemoved: 0, failedGenerationsRemoved: 0, subscriptionsUpdated: 0 };

beforeEach(async () => {
  store.clock.set(START);
  await generationsOf(store).deleteMany({});
});

const daysAgo = (days: number) => new Date(store.clock.now().getTime() - days * DAY);

async function stored(fields: Partial<ImageGeneration>): Promise<Types.ObjectId> {
  const draft = { userId: new Types.ObjectId(), type: 'text-to-image' as const, prompt: 'A quiet bay', ...fields };
  return (await store.models.ImageGeneration.create(draft))._id;
}

async function remaining(): Promise<Set<string>> {
  const left = await generationsOf(store)
    .find({}, { projection: { _id: 1 } })
    .toArray();
  return new Set(left.map(({ _id }) => _id.toHexString()));
}

const picture = (name: string) => ({ url: pictureUrl(name), filename: 'bay.png', size: 1 });

describe('a cleanup', () => {
  it('removes what has ended long ago, each kind at its own age, and counts it', async () => {
    const kept = await Promise.all([
      stored({ status: 'completed', createdAt: daysAgo(364) }),
      stored({ status: 'completed', createdAt: daysAgo(400), completedAt: daysAgo(364) }),
      stored({ status: 'failed', createdAt: daysAgo(29) }),
      stored({ status: 'failed', createdAt: daysAgo(40), failedAt: daysAgo(29) }),
      stored({ status: 'completed', createdAt: daysAgo(200), isDeleted: true, deletedAt: daysAgo(29) }),
    ]);
    await stored({ status: 'completed', createdAt: daysAgo(366), completedAt: daysAgo(366) });
    await stored({ status: 'completed', createdAt: daysAgo(500), completedAt: daysAgo(499) });
    await stored({ status: 'completed', createdAt: daysAgo(50), isDeleted: true, deletedAt: daysAgo(31) });
    await stored({ status: 'failed', createdAt: daysAgo(31), failedAt: daysAgo(31) });
    await stored({ status: 'cancelled', createdAt: daysAgo(31) });
    const removed = await performMaintenanceCleanup(store);
    expect(removed).toEqual({ oldGenerationsRemoved: 3, failedGenerationsRemoved: 2, subscriptionsUpdated: 0 });
    expect(await remaining()).toEqual(new Set(kept.map(String)));
    expect(await performMaintenanceCleanup(store)).toEqual(NOTHING);
  });

  it('keeps whatever is under way or owed, at any age (seeds 1 to 40)', async () => {
    const generation = fc.record({
      status: fc.constantFrom(...GENERATION_STATUSES),
      owes: fc.constantFrom(undefined, 'refund' as const, 'delivery' as const),
      age: fc.integer({ min: 0, max: 1000 }),
      deletedFor: fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(generation, { minLength: 1, maxLength: 20 }), async (drawn) => {
        await generationsOf(store).deleteMany({});
        const wanted = new Set<string>();
        for (const { status, owes, age, deletedFor } of drawn) {
          const id = await stored({
            status,
            createdAt: daysAgo(age),
            ...(owes && { owes }),
            ...(deletedFor !== undefined && { isDeleted: true, deletedAt: daysAgo(deletedFor) }),
          });
          const isUnderWay = status === 'pending' || status === 'processing';
          const isYoung = age <= (status === 'completed' ? 365 : 30) && !(deletedFor !== undefined && deletedFor > 30);
          if (isUnderWay || owes || isYoung) wanted.add(id.toHexString());
        }
        await performMaintenanceCleanup(store);
        expect(await remaining()).toEqual(wanted);
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  it('keeps what an account still holds open, which settlement would write again', async () => {
    const _id = await signUp(store);
    const { generation } = await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'A bay' });
    await generationsOf(store).updateOne(
      { _id: generation._id },
      { $set: { status: 'failed' }, $unset: { waitingSince: 1 } },
    );
    store.clock.advance(40 * DAY);
    expect(await performMaintenanceCleanup(store)).toEqual(NOTHING);
    await sweep(ctx, 0);
    expect(await performMaintenanceCleanup(store)).toEqual({ ...NOTHING, failedGenerationsRemoved: 1 });
    await sweep(ctx, 0);
    expect(await remaining()).toEqual(new Set());
    await forget(_id);
  });

  it('leaves every account equal to its ledger, however short the ages are', async () => {
    const _id = await signUp(store, 'pro');
    const request = { type: 'text-to-image', prompt: 'A bay' } as const;
    const delivered = await createGeneration(ctx, { _id }, request);
    const claimed = await claim(ctx, { workerId: 'w', leaseSeconds: 60 });
    if (!claimed) throw new Error('Nothing to claim');
    await complete(ctx, claimed._id, claimed.lease.token, { outputImages: [picture('of-delivered.png')] });
    const cancelled = await createGeneration(ctx, { _id }, request);
    await cancel(ctx, _id, cancelled.generation._id);
    const deleted = await createGeneration(ctx, { _id }, request);
    await remove(ctx, _id, deleted.generation._id, LIBRARY);
    await sweep(ctx, 0);
    store.clock.advance(2 * DAY);
    const options = { finishedDays: 1, failedDays: 1, deletedDays: 1, removePicture: async () => {} };
    expect(await performMaintenanceCleanup(store, options)).toEqual({ ...NOTHING, failedGenerationsRemoved: 2 });
    expect(await remaining()).toEqual(new Set([delivered.generation._id.toHexString()]));
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
    store.clock.advance(40 * DAY);
    expect(await performMaintenanceCleanup(store, options)).toEqual({ ...NOTHING, oldGenerationsRemoved: 1 });
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
    await forget(_id);
  });

  it.each([0, -1, 1.5, Number.NaN, 40_000])('refuses %d days as an age, and removes nothing', async (failedDays) => {
    await stored({ status: 'failed', createdAt: daysAgo(400) });
    const refused = { code: 'validation_failed', errors: [{ path: 'failedDays' }] };
    await expect(performMaintenanceCleanup(store, { failedDays })).rejects.toMatchObject(refused);
    expect((await remaining()).size).toBe(1);
  });

  it('leaves a line in the audit trail', async () => {
    await auditOf(store).deleteMany({});
    await performMaintenanceCleanup(store, { failedDays: 7, actor: { kind: 'admin', id: 'user_1' } });
    expect(await auditOf(store).find({}).toArray()).toMatchObject([
      { action: 'maintenance.run', actor: { kind: 'admin', id: 'user_1' }, detail: { task: 'cleanup', failedDays: 7 } },
    ]);
  });

  it('takes nothing away from the analytics', async () => {
    const _id = await signUp(store);
    for (const age of [10, 40, 40, 100, 300]) {
      await stored({ userId: _id, status: age === 100 ? 'completed' : 'failed', createdAt: daysAgo(age) });
    }
    const seen = () => userAnalytics(store, { _id }, { days: 365 });
    const before = await seen();
    expect(before.analytics).toMatchObject({ totalGenerations: 5, byStatus: { completed: 1, failed: 4 } });
    expect(await performMaintenanceCleanup(store)).toEqual({ ...NOTHING, failedGenerationsRemoved: 3 });
    expect(await seen()).toEqual(before);
    await forget(_id);
  });
});

describe('pictures of generations that a cleanup removes', () => {
  const pictures = new Set<string>();
  const names = Array.from({ length: 450 }, (_, index) => `picture-${index}.png`);

  beforeEach(async () => {
    pictures.clear();
    for (const name of names) pictures.add(name);
    await generationsOf(store).deleteMany({});
    await store.models.ImageGeneration.insertMany(
      names.map((name) => ({
        userId: new Types.ObjectId(),
        type: 'text-to-image',
        prompt: 'A quiet bay',
        status: 'completed',
        createdAt: daysAgo(400),
        outputImages: [picture(name)],
      })),
    );
  });

  async function orphans(): Promise<string[]> {
    const named = new Set(
      (await generationsOf(store).find({}).toArray()).flatMap(({ outputImages }) =>
        outputImages.map(({ url }) => pictureNameOf(url)),
      ),
    );
    return [...pictures].filter((name) => !named.has(name));
  }

  it('are gone with them', async () => {
    const removePicture = async (name: string) => void pictures.delete(name);
    expect(await performMaintenanceCleanup(store, { removePicture })).toEqual({
      ...NOTHING,
      oldGenerationsRemoved: 450,
    });
    expect(pictures.size).toBe(0);
  });

  it('are never left without the generation that names them, wherever the process dies; the next run does the rest', async () => {
    for (const deadline of [1, 150, 201, 399]) {
      let removals = 0;
      const died = Promise.withResolvers<void>();
      const dying: CleanupOptions['removePicture'] = async (name) => {
        removals += 1;
        if (removals === deadline) {
          died.resolve();
          await new Promise(() => {});
        }
        pictures.delete(name);
      };
      const cutOff = performMaintenanceCleanup(store, { removePicture: dying });
      await Promise.race([died.promise, cutOff]);
      expect(await orphans()).toEqual([]);
    }
    await performMaintenanceCleanup(store, { removePicture: async (name) => void pictures.delete(name) });
    expect(pictures.size).toBe(0);
    expect(await remaining()).toEqual(new Set());
  });

  it('are removed batch by batch until the process is told to end', async () => {
    const stopping = new AbortController();
    const removePicture = async (name: string) => {
      pictures.delete(name);
      stopping.abort();
    };
    const { oldGenerationsRemoved } = await performMaintenanceCleanup(store, {
      removePicture,
      signal: stopping.signal,
    });
    expect(oldGenerationsRemoved).toBeGreaterThan(0);
    expect(oldGenerationsRemoved).toBe(450 - (await remaining()).size);
    expect(pictures.size).toBe((await remaining()).size);
  });

  it('that cannot be removed keep their generation, hold up no other, and are told of', async () => {
    const removePicture = async (name: string) => {
      if (name === names[7]) throw new Error('The disk is read-only');
      pictures.delete(name);
    };
    await expect(performMaintenanceCleanup(store, { removePicture })).rejects.toThrow('The disk is read-only');
    expect([...pictures]).toEqual([names[7]]);
    expect((await remaining()).size).toBe(1);
    expect(await performMaintenanceCleanup(store)).toEqual(NOTHING);
  });
});

describe('subscriptions that have run out', () => {
  async function subscription(fields: {
    daysOver: number;
    status?: 'active' | 'canceled';
    stripeSubscriptionId?: string;
  }) {
    const userId = await signUp(store, 'plus');
    const { daysOver, ...rest } = fields;
    await store.models.Subscription.create({
      userId,
      tier: 'plus',
      status: 'active',
      currentPeriodStart: daysAgo(daysOver + 30),
      currentPeriodEnd: daysAgo(daysOver),
      ...rest,
    });
    return async () => {
      const [{ subscriptionTier }, found] = await Promise.all([
        readUser(store, userId),
        subscriptionsOf(store).findOne({ userId }),
      ]);
      return [found?.status, subscriptionTier];
    };
  }

  it('are ended, with the tier that they gave; the others are left to Stripe, to their grace, or as they are', async () => {
    const over = await subscription({ daysOver: 4 });
    const inGrace = await subscription({ daysOver: 2 });
    const ofStripe = await subscription({ daysOver: 40, stripeSubscriptionId: 'sub_1' });
    const ended = await subscription({ daysOver: 40, status: 'canceled' });
    expect(await performMaintenanceCleanup(store)).toEqual({ ...NOTHING, subscriptionsUpdated: 1 });
    expect(await over()).toEqual(['canceled', 'free']);
    expect(await inGrace()).toEqual(['active', 'plus']);
    expect(await ofStripe()).toEqual(['active', 'plus']);
    expect(await ended()).toEqual(['canceled', 'plus']);
    expect(await performMaintenanceCleanup(store)).toEqual(NOTHING);
  });
});

async function forget(_id: Types.ObjectId): Promise<void> {
  await usersOf(store).deleteOne({ _id });
  await ledgerOf(store).deleteMany({ userId: _id });
}
