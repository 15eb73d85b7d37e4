import type { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { usersOf } from '@/models/collections.ts';
import type { Context } from '@/workflows/context.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel } from '@/workflows/endGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { contextOf, NO_GRACE } from '../support/context.ts';
import { signUp, useDatabase } from '../support/database.ts';
import { Interleaving } from '../support/interleave.ts';

const store = useDatabase();
const ctx = contextOf(store);

describe('a process that is suspended between looking a key up and charging', () => {
  /** Runs `own` up to its first command, lets `meanwhile` happen, then lets it go on. */
  async function suspended(own: () => Promise<unknown>, meanwhile: () => Promise<void>) {
    const interleaving = new Interleaving();
    const ended = interleaving.start(own);
    let first = true;
    await interleaving.play(
      () => ({ index: 0, fate: 'lives' }),
      async () => {
        if (first) await meanwhile();
        first = false;
      },
    );
    return ended;
  }

  /** Settles everything, and lets the accounts forget it. */
  async function forgotten(): Promise<void> {
    await sweep(ctx, NO_GRACE);
    store.clock.advance(3 * 60_000);
    await sweep(ctx, NO_GRACE);
  }

  it('charges nothing when its twin was served, settled and forgotten meanwhile', async () => {
    const _id = await signUp(store);
    const idempotency = { key: `${_id}-twin`, fingerprint: 'same' };
    const create = () => createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'a' }, idempotency);
    let served: Types.ObjectId | undefined;
    const end = await suspended(create, async () => {
      served = (await create()).generation._id;
      await forgotten();
      expect((await usersOf(store).findOne({ _id }))?.openEntries).toEqual({});
    });
    expect(end).toMatchObject({ status: 'fulfilled', value: { repeated: true, generation: { _id: served } } });
    expect((await usersOf(store).findOne({ _id }))?.monthlyUsage).toBe(1);
  });

  it('charges nothing even if its clock runs ahead of the others by less than a minute', async () => {
    const _id = await signUp(store);
    const idempotency = { key: `${_id}-ahead`, fingerprint: 'same' };
    const create = (own: Context) =>
      createGeneration(own, { _id }, { type: 'text-to-image', prompt: 'a' }, idempotency);
    const ahead = { now: () => new Date(store.clock.now().getTime() + 59_000) };
    const end = await suspended(
      () => create({ ...ctx, ...store, clock: ahead }),
      async () => {
        await create(ctx);
        await forgotten();
      },
    );
    expect(end).toMatchObject({ status: 'fulfilled', value: { repeated: true } });
    expect((await usersOf(store).findOne({ _id }))?.monthlyUsage).toBe(1);
  });

  it('refunds nothing when another has refunded, settled and forgotten it meanwhile', async () => {
    const _id = await signUp(store);
    const { generation } = await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'a', count: 3 });
    await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'a', count: 4 });
    // The move is the first command; then this process sleeps, and a sweeper pays what the move has made it owe.
    await suspended(() => cancel(ctx, _id, generation._id), forgotten);
    expect((await usersOf(store).findOne({ _id }))?.monthlyUsage).toBe(4);
    await forgotten();
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  });
});
