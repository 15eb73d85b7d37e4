import { Types } from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import { CONCURRENT_GENERATIONS, SUBSCRIPTION_TIERS, type SubscriptionTier } from '@/domain/tiers.ts';
import { generationsOf, usersOf } from '@/models/collections.ts';
import type { ImageGeneration } from '@/models/ImageGeneration.ts';
import { admitWaiting } from '@/repositories/admission.ts';
import { claimGeneration, queueState } from '@/repositories/queue.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel, complete, fail } from '@/workflows/endGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { clearBooks, faultsIn, readBooks } from '../support/books.ts';
import { behindGate } from '../support/commandGate.ts';
import { contextOf } from '../support/context.ts';
import { signUp, useDatabase } from '../support/database.ts';
import { examinedDuring } from '../support/examined.ts';

const store = useDatabase();
const ctx = contextOf(store);
const CLAIM = { workerId: 'w', leaseSeconds: 60 };
const IMAGE = { type: 'text-to-image', prompt: 'A bay' } as const;
const PICTURE = { url: '/images/a.png', filename: 'a.png', size: 1 };

beforeEach(() => clearBooks(store));

async function ask(_id: Types.ObjectId, times: number): Promise<ImageGeneration[]> {
  const asked = [];
  for (let nth = 0; nth < times; nth += 1) {
    store.clock.advance(1);
    asked.push((await createGeneration(ctx, { _id }, IMAGE)).generation);
  }
  return asked;
}

/** Claims until nothing is left to claim. */
async function claimAll() {
  const claimed = [];
  for (;;) {
    const next = await claimGeneration(store, CLAIM);
    if (!next) return claimed;
    claimed.push(next);
  }
}

const statuses = (userId: Types.ObjectId) => generationsOf(store).countDocuments({ userId, status: 'processing' });
const setTier = (_id: Types.ObjectId, subscriptionTier: SubscriptionTier) =>
  usersOf(store).updateOne({ _id }, { $set: { subscriptionTier } });

/** So many that wait, of one user, as if they had been charged. */
async function manyWaiting(userId: Types.ObjectId, count: number): Promise<void> {
  const [template] = await ask(userId, 1);
  if (!template) throw new Error('One was just made');
  const { _id: _, ...rest } = template;
  const copies = Array.from({ length: count - 1 }, () => ({ ...rest, _id: new Types.ObjectId() }));
  await generationsOf(store).insertMany(copies);
}

describe('the slots of a tier', () => {
  it.each(SUBSCRIPTION_TIERS)('bound what is under way at once: %s', async (tier) => {
    const userId = await signUp(store, tier);
    const slots = CONCURRENT_GENERATIONS[tier];
    const asked = await ask(userId, Math.min(10, slots + 3));
    await Promise.all(Array.from({ length: 5 }, () => admitWaiting(store, [userId])));
    const claimed = await claimAll();
    expect(claimed.map(({ _id }) => _id)).toEqual(asked.slice(0, slots).map(({ _id }) => _id));
    expect(await statuses(userId)).toBe(Math.min(slots, asked.length));
    expect(await admitWaiting(store, [userId])).toBe(0);
  });

  it('go to the next in turn when one ends, however it ends, and not for a retry', async () => {
    const userId = await signUp(store);
    const asked = await ask(userId, 5);
    const next = async () => {
      await admitWaiting(store, [userId]);
      const claimed = await claimAll();
      expect(claimed.length).toBeLessThanOrEqual(1);
      return claimed[0];
    };
    const end = async (how: (id: Types.ObjectId, token: string) => Promise<unknown>) => {
      const claimed = await next();
      if (!claimed) throw new Error('One is in turn');
      await how(claimed._id, claimed.lease.token);
      return claimed._id;
    };
    const order = [
      await end((id, token) => fail(ctx, id, token, { errorMessage: 'busy', retryable: true })),
      await end((id, token) => complete(ctx, id, token, { outputImages: [PICTURE] })),
      await end((id, token) => fail(ctx, id, token, { errorMessage: 'no', retryable: false })),
    ];
    await admitWaiting(store, [userId]);
    await cancel(ctx, userId, asked[2]?._id ?? new Types.ObjectId());
    order.push(await end((id, token) => complete(ctx, id, token, { outputImages: [PICTURE] })));
    expect(order).toEqual([0, 0, 1, 3].map((nth) => asked[nth]?._id));
  });

  it('leave users their turns: who asks once is not behind all of who asked often', async () => {
    const [often, once] = [await signUp(store, 'plus'), await signUp(store)];
    await ask(often, 9);
    await admitWaiting(store, [often]);
    await ask(once, 1);
    await admitWaiting(store, [once]);
    expect((await claimAll()).map(({ userId }) => userId)).toEqual([often, often, often, once]);
  });

  it('are more after an upgrade; after a downgrade what is under way goes on, and the rest waits', async () => {
    const userId = await signUp(store, 'plus');
    await ask(userId, 9);
    await admitWaiting(store, [userId]);
    const [first, second] = [await claimGeneration(store, CLAIM), await claimGeneration(store, CLAIM)];
    await setTier(userId, 'free');
    await admitWaiting(store, [userId]);
    expect(await claimAll()).toEqual([]);
    expect(await statuses(userId)).toBe(2);
    if (first) await complete(ctx, first._id, first.lease.token, { outputImages: [PICTURE] });
    expect(await admitWaiting(store, [userId])).toBe(0);
    if (second) await complete(ctx, second._id, second.lease.token, { outputImages: [PICTURE] });
    expect(await admitWaiting(store, [userId])).toBe(1);
    await setTier(userId, 'pro');
    await admitWaiting(store, [userId]);
    expect(await claimAll()).toHaveLength(7);
  });

  it('are given back by what was ended behind the lifecycle’s back', async () => {
    const userId = await signUp(store);
    const [first, second] = await ask(userId, 2);
    await admitWaiting(store, [userId]);
    await store.models.ImageGeneration.updateOne({ _id: first?._id ?? userId }, { $set: { status: 'failed' } });
    await admitWaiting(store, [userId]);
    const claimed = await generationsOf(store).findOne({ slot: { $exists: true } });
    expect(claimed?._id).toEqual(second?._id);
  });

  it('do not bind a library that works without leases, and are not doubled by it', async () => {
    const userId = await signUp(store);
    const asked = await ask(userId, 3);
    await admitWaiting(store, [userId]);
    for (const { _id } of asked) {
      const generation = await store.models.ImageGeneration.findById(_id).orFail();
      await generation.markAsProcessing();
    }
    for (const { _id } of asked) {
      const generation = await store.models.ImageGeneration.findById(_id).orFail();
      await generation.markAsCompleted([PICTURE]);
    }
    await sweep(ctx, 0);
    const books = await readBooks(store);
    expect(books.flatMap((each) => faultsIn(each, store.clock.now()))).toEqual([]);
  });
});

describe('what moves between the look at the places and the change of one', () => {
  /** Lets the places be looked at, and then does something before they are changed. */
  const admitBeside = (userId: Types.ObjectId, act: () => Promise<unknown>) => {
    let hasActed = false;
    return behindGate(
      async ({ name, send }) => {
        if (name === 'bulkWrite' && !hasActed) {
          hasActed = true;
          await behindGate(({ send: sendOther }) => sendOther(), act);
        }
        return send();
      },
      () => admitWaiting(store, [userId]),
    );
  };

  it('keeps what has ended out of the queue', async () => {
    const userId = await signUp(store);
    const [asked] = await ask(userId, 1);
    if (!asked) throw new Error('One was just asked for');
    expect(await admitBeside(userId, () => cancel(ctx, userId, asked._id))).toBe(0);
    const stored = await generationsOf(store).findOne({ _id: asked._id });
    expect(stored).toMatchObject({ status: 'cancelled' });
    expect(stored).not.toHaveProperty('slot');
    expect(await claimAll()).toEqual([]);
  });

  it('keeps its slot when it has been claimed', async () => {
    const userId = await signUp(store, 'plus');
    await ask(userId, 2);
    await admitWaiting(store, [userId]);
    await setTier(userId, 'free');
    // One has to go back; just that one is claimed, and the other too.
    await admitBeside(userId, claimAll);
    expect(await generationsOf(store).countDocuments({ userId, status: 'processing', slot: { $exists: true } })).toBe(
      2,
    );
    expect(await generationsOf(store).countDocuments({ userId, waitingSince: { $exists: true } })).toBe(0);
  });
});

describe('however much waits', () => {
  it('letting the next one in and claiming it looks at a handful of documents', async () => {
    const userId = await signUp(store);
    await manyWaiting(userId, 10_000);
    await admitWaiting(store, [userId]);
    expect(await examinedDuring(store.connection, () => claimGeneration(store, CLAIM))).toBeLessThanOrEqual(1);
    expect(await queueState(store)).toMatchObject({ queued: 0, waiting: 9_999 });
    // What an admission asks for, in the pipeline of its join.
    const explained = await generationsOf(store)
      .find({ userId, waitingSince: { $exists: true }, status: 'pending' })
      .sort({ waitingSince: 1, _id: 1 })
      .limit(10)
      .explain('executionStats');
    expect(JSON.stringify(explained)).toContain('"totalDocsExamined":10');
    expect(await admitWaiting(store, [userId])).toBe(0);
  });

  it('a worker of few types passes over nothing of the others', async () => {
    const users = await Promise.all(Array.from({ length: 300 }, () => signUp(store)));
    for (const userId of users) await ask(userId, 1);
    const [last] = users;
    await admitWaiting(store, users);
    await generationsOf(store).updateOne({ userId: last ?? new Types.ObjectId() }, { $set: { type: 'upscale' } });
    const claimed = claimGeneration(store, { ...CLAIM, types: ['upscale', 'variation'] });
    expect(await claimed).toMatchObject({ type: 'upscale' });
    for (const types of [['upscale'], ['upscale', 'inpainting', 'variation']] as const) {
      const claim = () => claimGeneration(store, { ...CLAIM, types });
      expect(await examinedDuring(store.connection, claim)).toBe(0);
    }
  });

  it('200 workers at once take 500 generations once each, and leave none', async () => {
    const users = await Promise.all(Array.from({ length: 50 }, () => signUp(store, 'pro')));
    await Promise.all(users.map((userId) => ask(userId, 10)));
    await admitWaiting(store, users);
    const taken: string[] = [];
    async function work(workerId: string): Promise<void> {
      for (;;) {
        const claimed = await claimGeneration(store, { workerId, leaseSeconds: 60 });
        if (!claimed) return;
        taken.push(claimed._id.toHexString());
      }
    }
    await Promise.all(Array.from({ length: 200 }, (_, nth) => work(`worker-${nth}`)));
    expect([taken.length, new Set(taken).size]).toEqual([500, 500]);
    expect(await generationsOf(store).countDocuments({ status: 'processing' })).toBe(500);
  });
});
