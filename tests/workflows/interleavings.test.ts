import fc from 'fast-check';
import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { SUBSCRIPTION_QUOTAS } from '@/domain/tiers.ts';
import { generationsOf, ledgerOf, usersOf } from '@/models/collections.ts';
import { claimGeneration } from '@/repositories/queue.ts';
import { settle } from '@/repositories/settlement.ts';
import { consumeQuota } from '@/workflows/consumeQuota.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel, complete, fail, remove } from '@/workflows/endGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { contextOf } from '../support/context.ts';
import { START, signUp, type TestStore, useDatabase } from '../support/database.ts';
import { Crash, type Fate, Interleaving } from '../support/interleave.ts';

const store = useDatabase();
const RUNS = Number(process.env['INTERLEAVING_RUNS'] ?? 100);
const USERS = 2;

/** What a process of the test does; `user`, `key` and `pick` choose among those that there are. */
const actions = fc.record({
  kind: fc.constantFrom(
    'create',
    'create',
    'create',
    'consume',
    'cancel',
    'remove',
    'complete',
    'fail',
    'settle',
    'sweep',
  ),
  user: fc.nat({ max: USERS - 1 }),
  /** Few keys, so that twins meet; 0 is none. */
  key: fc.nat({ max: 3 }),
  pick: fc.nat(),
  credits: fc.integer({ min: 1, max: 4 }),
});
type Action = typeof actions extends fc.Arbitrary<infer T> ? T : never;

const choices = fc.record({
  index: fc.nat(),
  /** Seconds that pass before the next command: sometimes long enough for keys to be forgotten or leases to end. */
  seconds: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 90, 180),
  fate: fc.constantFrom<Fate>('lives', 'lives', 'lives', 'lives', 'lives', 'lives', 'before', 'after'),
});

async function act(own: TestStore, action: Action, users: readonly Types.ObjectId[]): Promise<unknown> {
  const ctx = contextOf(own);
  const _id = users[action.user] ?? new Types.ObjectId();
  const words = `${_id}-${action.kind}-${action.key}`;
  const idempotency = action.key === 0 ? undefined : { key: words, fingerprint: words };
  switch (action.kind) {
    case 'create':
      return createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'a', count: action.credits }, idempotency);
    case 'consume':
      return consumeQuota(ctx, { _id }, { credits: action.credits }, idempotency);
    case 'settle':
      return settle(ctx, users);
    case 'sweep':
      return sweep(ctx, 0);
    case 'cancel':
    case 'remove': {
      const mine = await generationsOf(own).find({ userId: _id }).toArray();
      const chosen = mine[action.pick % Math.max(1, mine.length)];
      if (!chosen) return undefined;
      return action.kind === 'cancel' ? cancel(ctx, _id, chosen._id) : remove(ctx, _id, chosen._id, { kind: 'user' });
    }
    case 'complete':
    case 'fail': {
      const claimed = await claimGeneration(ctx, { workerId: 'w', leaseSeconds: 60 });
      if (!claimed) return undefined;
      const { token } = claimed.lease;
      if (action.kind === 'fail') return fail(ctx, claimed._id, token, { errorMessage: 'no', retryable: false });
      const outputImages = Array.from({ length: claimed.count }, () => ({
        url: '/images/a.png',
        filename: 'a',
        size: 1,
      }));
      return complete(ctx, claimed._id, token, { outputImages });
    }
  }
}

/** Quota 1, 2 and 4, which hold after every single command, whoever has just died. */
async function checkAtAnyMoment(users: readonly Types.ObjectId[]): Promise<void> {
  const { violations } = await verifyLedger(store);
  const books = violations.flatMap(({ problems }) => problems.filter((problem) => /ledger/.test(problem)));
  expect(books).toEqual([]);
  for (const user of await usersOf(store)
    .find({ _id: { $in: [...users] } })
    .toArray()) {
    expect(user.monthlyUsage).toBeGreaterThanOrEqual(0);
    expect(user.monthlyUsage).toBeLessThanOrEqual(SUBSCRIPTION_QUOTAS.free + user.grantedCredits);
  }
}

/** Everything, once the sweepers of the living have had their time. */
async function checkAtRest(users: readonly Types.ObjectId[]): Promise<void> {
  expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  for (const user of await usersOf(store)
    .find({ _id: { $in: [...users] } })
    .toArray()) {
    expect(user.openEntries, 'nothing is left open').toEqual({});
    const charges = await ledgerOf(store).find({ userId: user._id, kind: 'charge' }).toArray();
    const keys = charges.map(({ key }) => key).filter((key) => key !== undefined);
    expect(new Set(keys).size, 'one charge a key').toBe(keys.length);
    const delivered = await generationsOf(store).find({ userId: user._id, status: 'completed' }).toArray();
    const consumed = charges.filter(({ generationId }) => !generationId).reduce((sum, { credits }) => sum + credits, 0);
    const images = delivered.reduce((sum, { outputImages }) => sum + outputImages.length, 0);
    expect(user.totalImagesGenerated, 'images delivered, credits consumed').toBe(images + consumed);
  }
}

/** Something to cancel, to claim and to delete from the beginning on. */
async function twoPending(_id: Types.ObjectId): Promise<void> {
  const ctx = contextOf(store);
  await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'a', count: 1 });
  await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'a', count: 2 });
}

async function recover(): Promise<void> {
  const ctx = contextOf(store);
  await sweep(ctx, 0);
  // Leases of the dead end, keys are forgotten.
  store.clock.advance(16 * 60_000);
  await sweep(ctx, 0);
  store.clock.advance(3 * 60_000);
  await sweep(ctx, 0);
}

describe('charges, creations, cancellations, deliveries, settlements and sweeps', () => {
  it(`keep every promise of quota in any interleaving, with crashes anywhere (${RUNS} histories)`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(actions, { minLength: 2, maxLength: 7 }),
        fc.infiniteStream(choices),
        async (script, stream) => {
          await Promise.all([usersOf(store), ledgerOf(store), generationsOf(store)].map((c) => c.deleteMany({})));
          store.clock.set(START);
          const users = await Promise.all(Array.from({ length: USERS }, () => signUp(store)));
          for (const _id of users) await twoPending(_id);
          const interleaving = new Interleaving();
          const ends = script.map((action) => interleaving.start(store, (own) => act(own, action, users)));
          await interleaving.play(
            () => {
              const { seconds, ...choice } = stream.next().value;
              store.clock.advance(seconds * 1000);
              return choice;
            },
            () => checkAtAnyMoment(users),
          );
          for (const end of await Promise.all(ends)) {
            if (end.status === 'rejected' && !isExpected(end.reason)) throw end.reason;
          }
          await recover();
          await checkAtRest(users);
          await everyKeyGivesWhatItGave(script, users);
        },
      ),
      { numRuns: RUNS, ...(process.env['FC_SEED'] && { seed: Number(process.env['FC_SEED']) }) },
    );
  }, 600_000);
});

describe('a process that is suspended between looking a key up and charging', () => {
  /** Runs `own` up to its first command, lets `meanwhile` happen, then lets it go on. */
  async function suspended(own: (store: TestStore) => Promise<unknown>, meanwhile: () => Promise<void>) {
    const interleaving = new Interleaving();
    const ended = interleaving.start(store, own);
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
    const ctx = contextOf(store);
    await sweep(ctx, 0);
    store.clock.advance(3 * 60_000);
    await sweep(ctx, 0);
  }

  it('charges nothing when its twin was served, settled and forgotten meanwhile', async () => {
    const _id = await signUp(store);
    const idempotency = { key: `${_id}-twin`, fingerprint: 'same' };
    const create = (own: TestStore) =>
      createGeneration(contextOf(own), { _id }, { type: 'text-to-image', prompt: 'a' }, idempotency);
    let served: Types.ObjectId | undefined;
    const end = await suspended(create, async () => {
      served = (await create(store)).generation._id;
      await forgotten();
      expect((await usersOf(store).findOne({ _id }))?.openEntries).toEqual({});
    });
    expect(end).toMatchObject({ status: 'fulfilled', value: { repeated: true, generation: { _id: served } } });
    expect((await usersOf(store).findOne({ _id }))?.monthlyUsage).toBe(1);
  });

  it('charges nothing even if its clock runs ahead of the others by less than a minute', async () => {
    const _id = await signUp(store);
    const idempotency = { key: `${_id}-ahead`, fingerprint: 'same' };
    const create = (own: TestStore) =>
      createGeneration(contextOf(own), { _id }, { type: 'text-to-image', prompt: 'a' }, idempotency);
    const ahead = { now: () => new Date(store.clock.now().getTime() + 59_000) };
    const end = await suspended(
      (own) => create(Object.assign(Object.create(own), { clock: ahead })),
      async () => {
        await create(store);
        await forgotten();
      },
    );
    expect(end).toMatchObject({ status: 'fulfilled', value: { repeated: true } });
    expect((await usersOf(store).findOne({ _id }))?.monthlyUsage).toBe(1);
  });

  it('refunds nothing when another has refunded, settled and forgotten it meanwhile', async () => {
    const _id = await signUp(store);
    const ctx = contextOf(store);
    const { generation } = await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'a', count: 3 });
    await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'a', count: 4 });
    // The move is the first command; then this process sleeps, and a sweeper pays what the move has made it owe.
    await suspended((own) => cancel(contextOf(own), _id, generation._id), forgotten);
    expect((await usersOf(store).findOne({ _id }))?.monthlyUsage).toBe(4);
    await recover();
    await checkAtRest([_id]);
  });
});

/** A retry after everything, long after, charges nothing more and gives the generation that the key has paid for. */
async function everyKeyGivesWhatItGave(script: readonly Action[], users: readonly Types.ObjectId[]): Promise<void> {
  const before = await ledgerOf(store)
    .find({ kind: 'charge', key: { $exists: true } })
    .toArray();
  const paid = new Map(before.map(({ key, generationId }) => [key, generationId?.toHexString()]));
  for (const action of script) {
    if (action.kind !== 'create' || action.key === 0) continue;
    const key = `${users[action.user]}-create-${action.key}`;
    if (!paid.has(key)) continue;
    const again = await act(store, action, users).catch((error: unknown) => error);
    if (again instanceof Error) expect(again).toMatchObject({ code: 'not_found' });
    else expect(again).toMatchObject({ repeated: true, generation: { _id: new Types.ObjectId(paid.get(key)) } });
  }
  await settle(store, users);
  const after = await ledgerOf(store).countDocuments({ kind: 'charge', key: { $exists: true } });
  expect(after).toBe(before.length);
}

function isExpected(reason: unknown): boolean {
  if (reason instanceof Crash) return true;
  const code = reason instanceof Error && 'code' in reason ? reason.code : undefined;
  return ['insufficient_quota', 'invalid_transition', 'not_found', 'lease_lost'].includes(String(code));
}
