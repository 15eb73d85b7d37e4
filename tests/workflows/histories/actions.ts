import fc from 'fast-check';
import type { Types } from 'mongoose';
import { generationsOf } from '@/models/collections.ts';
import type { OutputImage } from '@/models/ImageGeneration.ts';
import { followSubscription } from '@/models/statements/following.ts';
import { resetDueQuotas } from '@/repositories/accounts.ts';
import { admitWaiting } from '@/repositories/admission.ts';
import { releaseLease } from '@/repositories/leases.ts';
import { claimGeneration } from '@/repositories/queue.ts';
import { settle } from '@/repositories/settlement.ts';
import { chargeGeneration } from '@/workflows/chargeGeneration.ts';
import { consumeQuota } from '@/workflows/consumeQuota.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel, complete, fail, remove } from '@/workflows/endGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { contextOf, NO_GRACE } from '../../support/context.ts';
import type { TestStore } from '../../support/database.ts';

const DAY = 86_400_000;

/** What one process of a history does. Few keys and few choices, so that twins meet. */
export const actions = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('create' as const) },
    { weight: 3, arbitrary: fc.constantFrom('consume' as const, 'increment' as const, 'pay' as const) },
    { weight: 4, arbitrary: fc.constantFrom('cancel' as const, 'remove' as const) },
    { weight: 4, arbitrary: fc.constantFrom('complete' as const, 'fail' as const, 'release' as const) },
    { weight: 5, arbitrary: fc.constantFrom('settle' as const, 'sweep' as const, 'admit' as const) },
    { weight: 3, arbitrary: fc.constantFrom('news' as const, 'follow' as const, 'upgrade' as const) },
    { weight: 3, arbitrary: fc.constantFrom('reset' as const, 'resetDue' as const) },
    { weight: 1, arbitrary: fc.constantFrom('deleteUser' as const, 'restoreUser' as const) },
  ),
  /** 0 is none. */
  key: fc.nat({ max: 2 }),
  pick: fc.nat({ max: 3 }),
  credits: fc.integer({ min: 1, max: 4 }),
  /** Calls again when the database has not answered. */
  isPersistent: fc.boolean(),
});
export type Action = typeof actions extends fc.Arbitrary<infer T> ? T : never;

/** What a caller was told: what was charged, or which generation is now so. */
export interface Answer {
  charge?: string;
  generation?: string;
  repeated?: boolean;
}

const NOTHING: Answer = {};

export const keyOf = (userId: Types.ObjectId, { kind, key }: Action): string | undefined =>
  key === 0 ? undefined : `${userId}-${kind}-${key}`;

export async function act(store: TestStore, userId: Types.ObjectId, action: Action): Promise<Answer> {
  const ctx = contextOf(store);
  const user = { _id: userId };
  const { kind, credits } = action;
  const key = keyOf(userId, action);
  const idempotency = key === undefined ? undefined : { key, fingerprint: key };
  switch (kind) {
    case 'create': {
      const request = { type: 'text-to-image', prompt: 'a', count: credits } as const;
      const { generation, repeated } = await createGeneration(ctx, user, request, idempotency);
      return { generation: generation._id.toHexString(), repeated };
    }
    case 'consume': {
      const { chargeId, repeated } = await consumeQuota(ctx, user, { credits }, idempotency);
      return { charge: chargeId.toHexString(), repeated };
    }
    case 'increment': {
      await (await store.models.User.findById(userId).orFail().exec()).incrementUsage(credits);
      return NOTHING;
    }
    case 'pay': {
      const recorded = await generationOf(store, userId, action, { charge: { $exists: false } });
      const generationId =
        recorded ??
        (await store.models.ImageGeneration.createGeneration({ userId, type: 'text-to-image', prompt: 'a' }))._id;
      const { chargeId } = await chargeGeneration(ctx, user, { credits, generationId });
      return { charge: chargeId.toHexString() };
    }
    case 'cancel':
    case 'remove': {
      const id = await generationOf(store, userId, action);
      if (!id) return NOTHING;
      if (kind === 'cancel') await cancel(ctx, userId, id);
      else await remove(ctx, userId, id, { kind: 'user' });
      return { generation: id.toHexString() };
    }
    case 'complete':
    case 'fail':
    case 'release':
      return work(store, userId, action, kind);
    case 'settle':
      await settle(ctx, [userId]);
      return NOTHING;
    case 'admit':
      await admitWaiting(ctx, [userId]);
      return NOTHING;
    case 'sweep':
      await sweep(ctx, NO_GRACE);
      return NOTHING;
    case 'follow':
      await followSubscription(store, userId, { kind: 'library' });
      return NOTHING;
    case 'news':
      await news(store, userId, action);
      return NOTHING;
    case 'upgrade':
      await (await store.models.Subscription.findByUserId(userId))?.upgrade('pro');
      return NOTHING;
    case 'reset':
      await (await store.models.User.findById(userId).orFail().exec()).resetMonthlyQuota();
      return NOTHING;
    case 'resetDue':
      await resetDueQuotas(store);
      return NOTHING;
    case 'deleteUser':
    case 'restoreUser': {
      const found = await store.models.User.findById(userId).setOptions({ withDeleted: true }).orFail().exec();
      await (kind === 'deleteUser' ? found.softDelete() : found.restore());
      return NOTHING;
    }
  }
}

async function generationOf(
  store: TestStore,
  userId: Types.ObjectId,
  { pick }: Action,
  filter: object = {},
): Promise<Types.ObjectId | undefined> {
  const mine = await generationsOf(store)
    .find({ userId, ...filter }, { projection: { _id: 1 } })
    .toArray();
  return mine[pick % Math.max(1, mine.length)]?._id;
}

/** A worker takes whatever waits longest, whoever's it is. Sometimes nobody has let anything in before. */
async function work(
  store: TestStore,
  userId: Types.ObjectId,
  { pick }: Action,
  kind: 'complete' | 'fail' | 'release',
): Promise<Answer> {
  const ctx = contextOf(store);
  if (pick > 0) await admitWaiting(ctx, [userId]);
  const claimed = await claimGeneration(ctx, { workerId: 'w', leaseSeconds: 60 });
  if (!claimed) return NOTHING;
  const { _id, lease, count } = claimed;
  if (kind === 'release') {
    await releaseLease(ctx, _id, lease.token);
    return NOTHING;
  }
  if (kind === 'fail') await fail(ctx, _id, lease.token, { errorMessage: 'no', retryable: false });
  else
    await complete(ctx, _id, lease.token, { outputImages: Array.from({ length: count }, (): OutputImage => PICTURE) });
  return { generation: _id.toHexString() };
}

const PICTURE: OutputImage = { url: '/images/a.png', filename: 'a.png', size: 1 };

/** What Stripe says of the user's subscription, in any order. */
async function news(store: TestStore, userId: Types.ObjectId, { key, pick, credits }: Action): Promise<void> {
  const now = store.clock.now().getTime();
  await store.models.Subscription.createFromStripe({
    customerId: `cus_${userId}`,
    subscriptionId: `sub_${userId}_${key === 2 ? 'second' : 'first'}`,
    userId,
    tier: credits < 3 ? 'plus' : 'pro',
    status: (['active', 'trialing', 'past_due', 'canceled'] as const)[pick] ?? 'active',
    currentPeriodStart: new Date(now - 15 * DAY + pick * 5 * DAY),
    currentPeriodEnd: new Date(now + 15 * DAY + pick * 5 * DAY),
  });
}
