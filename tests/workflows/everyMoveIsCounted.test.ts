import type { Types } from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import { REMEMBERED_MOVES } from '@/domain/moves.ts';
import { rollUp } from '@/models/statements/usage/rollUp.ts';
import { userStats } from '@/models/statements/usage/stats.ts';
import { userAnalytics } from '@/repositories/analytics.ts';
import { releaseLease } from '@/repositories/leases.ts';
import { claim as claimNext } from '@/workflows/claim.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel, complete, fail, remove } from '@/workflows/endGeneration.ts';
import { eraseUser } from '@/workflows/personalData.ts';
import { sweep } from '@/workflows/sweep.ts';
import { contextOf } from '../support/context.ts';
import { signUp, useDatabase } from '../support/database.ts';
import { everyGeneration, naiveAnalytics, naiveSummary } from '../support/naiveUsage.ts';

const store = useDatabase();
const ctx = contextOf(store);
const { ImageGeneration } = store.models;
const REQUEST = { type: 'text-to-image', prompt: 'A quiet bay' } as const;
const PICTURE = { url: '/images/a.png', filename: 'a.png', size: 1 };
const ACTOR = { kind: 'user', id: 'user_1' } as const;
const TODAY = { days: 1, timezone: 'UTC' };

let userId: Types.ObjectId;

beforeEach(async () => {
  await ImageGeneration.deleteMany({}).setOptions({ withDeleted: true });
  userId = await signUp(store, 'plus');
});

const create = async () => (await createGeneration(ctx, { _id: userId }, REQUEST)).generation._id;

async function claim() {
  const claimed = await claimNext(ctx, { workerId: 'w', leaseSeconds: 60 });
  if (!claimed) throw new Error('One waits');
  return { id: claimed._id, token: claimed.lease.token };
}

async function waiting() {
  return { id: await create(), token: '' };
}

async function leased() {
  await create();
  return claim();
}

async function read(_id: Types.ObjectId) {
  return ImageGeneration.findById(_id).setOptions({ withDeleted: true }).orFail();
}

/** What every move starts from, and the move. */
const MOVES: Record<
  string,
  [() => Promise<{ id: Types.ObjectId; token: string }>, (id: Types.ObjectId, token: string) => Promise<unknown>]
> = {
  'a claim': [waiting, claim],
  'a completion': [leased, (id, token) => complete(ctx, id, token, { outputImages: [PICTURE], processingTime: 3 })],
  'a failure for good': [leased, (id, token) => fail(ctx, id, token, { errorMessage: 'no', retryable: false })],
  'a failure that is tried again': [
    leased,
    (id, token) => fail(ctx, id, token, { errorMessage: 'no', retryable: true }),
  ],
  'a lease given back': [leased, (id, token) => releaseLease(store, id, token)],
  'a worker that fell silent': [
    leased,
    async () => {
      store.clock.advance(61_000);
      await sweep(ctx, 0);
    },
  ],
  'an attempt that hangs': [
    leased,
    async (_id) => {
      const expiresAt = new Date(store.clock.now().getTime() + 3_600_000);
      await ImageGeneration.collection.updateOne({ _id }, { $set: { 'lease.expiresAt': expiresAt } });
      store.clock.advance(901_000);
      await sweep(ctx, 0);
    },
  ],
  'a cancellation': [waiting, (id) => cancel(ctx, userId, id)],
  'a deletion': [waiting, (id) => remove(ctx, userId, id, ACTOR)],
  markAsProcessing: [waiting, async (id) => (await read(id)).markAsProcessing()],
  markAsCompleted: [leased, async (id) => (await read(id)).markAsCompleted([PICTURE])],
  markAsFailed: [leased, async (id) => (await read(id)).markAsFailed('no')],
  softDelete: [waiting, async (id) => (await read(id)).softDelete()],
  restore: [
    async () => {
      const { id } = await waiting();
      await (await read(id)).softDelete();
      return { id, token: '' };
    },
    async (id) => (await read(id)).restore(),
  ],
  'an erasure of the person': [
    leased,
    () => eraseUser(store, { _id: userId }, { actor: ACTOR, removePicture: async () => {} }),
  ],
};

describe('the rollups learn of every move of a generation:', () => {
  for (const [name, [start, move]] of Object.entries(MOVES)) {
    it(name, async () => {
      const { id, token } = await start();
      await rollUp(store);
      const before = naiveSummary(await everyGeneration(store, userId));
      await move(id, token);
      const after = await everyGeneration(store, userId);
      expect(naiveSummary(after), 'it makes a difference').not.toEqual(before);
      if (name !== 'an erasure of the person') {
        const { analytics } = await userAnalytics(store, { _id: userId }, TODAY);
        expect(analytics).toMatchObject(naiveAnalytics(after, TODAY, store.clock.now()).summary);
      }
      expect(await userStats(store, userId)).toEqual(naiveSummary(after));
    });
  }
});

describe('the generation itself numbers and remembers every move:', () => {
  // Nothing moves there: what was cancelled stays so.
  const { restore: _, ...moves } = MOVES;

  for (const [name, [start, move]] of Object.entries(moves)) {
    it(name, async () => {
      const { id, token } = await start();
      const before = await read(id);
      await move(id, token);
      const after = await read(id);
      expect(after.status).not.toBe(before.status);
      const latest = {
        number: before.toObject().moves?.length ?? 0,
        status: after.status,
        ...(after.startedAt && { startedAt: after.startedAt }),
      };
      latest.number += 1;
      expect(after.toObject().moves).toEqual([...(before.toObject().moves ?? []), latest]);
    });
  }

  it('but not a write that moves nothing: deleting what has ended, restoring it', async () => {
    const { id } = await waiting();
    await cancel(ctx, userId, id);
    const { moves: before } = (await read(id)).toObject();
    await remove(ctx, userId, id, ACTOR);
    await (await read(id)).restore();
    expect(before).toMatchObject([{ number: 1, status: 'cancelled' }]);
    expect((await read(id)).toObject().moves).toEqual(before);
  });

  it('and the latest of very many, by their numbers', async () => {
    const id = await create();
    for (let round = 0; round < REMEMBERED_MOVES; round += 1) {
      const { token } = await claim();
      await releaseLease(store, id, token);
    }
    const numbers = (await read(id)).toObject().moves?.map(({ number }) => number);
    expect(numbers).toEqual(Array.from({ length: REMEMBERED_MOVES }, (_, index) => REMEMBERED_MOVES + 1 + index));
  });
});
