import type { Types } from 'mongoose';
import { noProfiles } from '@/identity/profiles.ts';
import { grantCredits, resetDueQuotas, resetQuota } from '@/repositories/accounts.ts';
import { cancelGeneration } from '@/repositories/generations.ts';
import { settle } from '@/repositories/settlement.ts';
import { getUser } from '@/repositories/users.ts';
import { databaseUtils } from '@/utils/database.ts';
import { chargeGeneration } from '@/workflows/chargeGeneration.ts';
import { consumeQuota } from '@/workflows/consumeQuota.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { asUser } from '@/workflows/signIn.ts';
import { sweep } from '@/workflows/sweep.ts';
import { contextOf, NO_GRACE } from '../../support/context.ts';
import { readUser, signUp, type TestStore } from '../../support/database.ts';
import { asProcess, Crash } from '../../support/interleave.ts';
import { copies, IMAGE, LIBRARY, type Scenario, someKey, unfollowedSubscription, waiting } from './scenario.ts';

const utilsOf = (store: TestStore) => databaseUtils(store, async () => {});

/** What takes credits, and what begins and changes the months from which they are taken. */
export const charges: Scenario[] = [
  {
    name: 'signing in for the first time',
    effect: 'once',
    async prepare(store) {
      const signIn = { ctx: contextOf(store), profiles: noProfiles, identities: { get: () => undefined, set() {} } };
      const person = { clerkUserId: 'user_new' };
      return () => asUser(signIn, person, (user) => getUser(store, user));
    },
  },
  {
    name: 'consuming quota without a key',
    effect: 'each',
    prepare: async (store, _id) => () => consumeQuota(contextOf(store), { _id }, { credits: 3 }),
  },
  {
    name: 'consuming quota under a key',
    effect: 'once',
    async prepare(store, _id) {
      const key = someKey();
      return () => consumeQuota(contextOf(store), { _id }, { credits: 3 }, key);
    },
  },
  {
    name: 'paying for a generation that was recorded without',
    effect: 'once',
    async prepare(store, _id) {
      const { _id: generationId } = await store.models.ImageGeneration.createGeneration({ userId: _id, ...IMAGE });
      return () => chargeGeneration(contextOf(store), { _id }, { credits: 2, generationId });
    },
  },
  {
    name: 'creating a generation without a key',
    effect: 'each',
    prepare: async (store, _id) => () => createGeneration(contextOf(store), { _id }, IMAGE),
  },
  {
    name: 'creating a generation under a key',
    effect: 'once',
    async prepare(store, _id) {
      const key = someKey();
      return () => createGeneration(contextOf(store), { _id }, IMAGE, key);
    },
  },
  {
    name: 'DatabaseUtils.createImageGeneration under a key',
    effect: 'once',
    prepare: async (store, userId) => () =>
      utilsOf(store).createImageGeneration({ userId, ...IMAGE }, { idempotencyKey: 'k' }),
  },
  {
    name: 'DatabaseUtils.consumeUserQuota under a key',
    effect: 'once',
    prepare: async (store, userId) => () => utilsOf(store).consumeUserQuota(userId, 3, { idempotencyKey: 'k' }),
  },
  {
    name: 'DatabaseUtils.consumeUserQuota for a generation',
    effect: 'once',
    async prepare(store, userId) {
      const { _id: generationId } = await store.models.ImageGeneration.createGeneration({ userId, ...IMAGE });
      return () => utilsOf(store).consumeUserQuota(userId, 2, { generationId });
    },
  },
  {
    name: 'user.incrementUsage',
    effect: 'each',
    async prepare(store, _id) {
      const user = await copies(() => store.models.User.findById(_id).orFail().exec());
      return () => user().incrementUsage(3);
    },
  },
  {
    name: 'user.resetMonthlyQuota',
    effect: 'once',
    async prepare(store, _id) {
      await consumeQuota(contextOf(store), { _id }, { credits: 3 });
      const user = await copies(() => store.models.User.findById(_id).orFail().exec());
      return () => user().resetMonthlyQuota();
    },
  },
  {
    name: 'resetting the quota by hand',
    effect: 'each',
    async prepare(store, _id) {
      await consumeQuota(contextOf(store), { _id }, { credits: 3 });
      return () => resetQuota(store, { _id }, LIBRARY);
    },
  },
  {
    name: 'granting credits',
    effect: 'each',
    prepare: async (store, _id) => () => grantCredits(store, { _id }, { credits: 3, reason: 'sorry' }, LIBRARY),
  },
  {
    name: 'beginning the months that are due',
    effect: 'stepwise',
    async prepare(store, _id) {
      const users = [_id, await signUp(store), await signUp(store)];
      for (const user of users) await consumeQuota(contextOf(store), { _id: user }, { credits: 3 });
      store.clock.set((await readUser(store, _id)).quotaResetDate);
      return () => resetDueQuotas(store);
    },
  },
  {
    name: 'settling an account',
    effect: 'once',
    async prepare(store, _id) {
      await leaveThingsOpen(store, _id);
      return () => settle(store, [_id]);
    },
  },
  {
    name: 'sweeping',
    effect: 'once',
    isRecovery: true,
    async prepare(store, _id) {
      await leaveThingsOpen(store, _id);
      return () => sweep(contextOf(store), NO_GRACE);
    },
  },
];

/** A charge whose process died before it recorded the generation, one under a key, a refund that is owed, acts and terms. */
async function leaveThingsOpen(store: TestStore, _id: Types.ObjectId): Promise<void> {
  const ctx = contextOf(store);
  const { _id: cancelled } = await waiting(store, _id);
  await cancelGeneration(store, _id, cancelled);
  await consumeQuota(ctx, { _id }, { credits: 1 }, someKey());
  let commands = 0;
  const dying = asProcess(
    () => (++commands === 1 ? 'after' : 'lives'),
    () => createGeneration(ctx, { _id }, IMAGE),
  );
  await dying.catch((error: unknown) => {
    if (!(error instanceof Crash)) throw error;
  });
  const deleted = await store.models.ImageGeneration.createGeneration({ userId: _id, ...IMAGE });
  await deleted.softDelete();
  await unfollowedSubscription(store, _id, 20);
}
