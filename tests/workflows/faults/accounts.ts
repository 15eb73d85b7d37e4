import type { Types } from 'mongoose';
import { followSubscription } from '@/models/statements/following.ts';
import { deleteUser, resetQuota, restoreUser } from '@/repositories/accounts.ts';
import { performMaintenanceCleanup } from '@/workflows/cleanup.ts';
import { consumeQuota } from '@/workflows/consumeQuota.ts';
import { cancel, complete } from '@/workflows/endGeneration.ts';
import { eraseUser, exportUser } from '@/workflows/personalData.ts';
import { sweep } from '@/workflows/sweep.ts';
import { contextOf, NO_GRACE } from '../../support/context.ts';
import type { TestStore } from '../../support/database.ts';
import { copies, daysOn, held, LIBRARY, pictures, type Scenario, unfollowedSubscription, waiting } from './scenario.ts';

const DAY = 86_400_000;

/** A subscription of Stripe's that the account follows. */
async function subscribe(store: TestStore, userId: Types.ObjectId, tier: 'plus' | 'pro') {
  return store.models.Subscription.createFromStripe({
    customerId: `cus_${userId}`,
    subscriptionId: `sub_${userId}`,
    userId,
    tier,
    status: 'active',
    currentPeriodStart: store.clock.now(),
    currentPeriodEnd: daysOn(store, 30),
  });
}

const newsOf = (store: TestStore, userId: Types.ObjectId, news: { status: 'active' | 'canceled'; days: number }) =>
  store.models.Subscription.createFromStripe({
    customerId: `cus_${userId}`,
    subscriptionId: `sub_${userId}`,
    userId,
    tier: 'pro',
    status: news.status,
    currentPeriodStart: daysOn(store, news.days - 30),
    currentPeriodEnd: daysOn(store, news.days),
  });

/** What changes an account, and what it is entitled to. */
export const accounts: Scenario[] = [
  {
    name: 'SubscriptionModel.createFromStripe of a first subscription',
    effect: 'once',
    prepare: async (store, userId) => () => subscribe(store, userId, 'plus'),
  },
  {
    name: 'SubscriptionModel.createFromStripe of a period that has begun',
    effect: 'once',
    async prepare(store, userId) {
      await subscribe(store, userId, 'plus');
      await consumeQuota(contextOf(store), { _id: userId }, { credits: 40 });
      store.clock.advance(30 * DAY);
      return () => newsOf(store, userId, { status: 'active', days: 30 });
    },
  },
  {
    name: 'SubscriptionModel.createFromStripe of an end',
    effect: 'once',
    async prepare(store, userId) {
      await subscribe(store, userId, 'plus');
      return () => newsOf(store, userId, { status: 'canceled', days: 30 });
    },
  },
  {
    name: 'following a subscription',
    effect: 'once',
    async prepare(store, userId) {
      await unfollowedSubscription(store, userId, 20);
      return () => followSubscription(store, userId, LIBRARY);
    },
  },
  ...(['upgrade', 'downgrade', 'softDelete', 'restore'] as const).map(
    (method): Scenario => ({
      name: `subscription.${method}`,
      effect: 'once',
      ...(method === 'upgrade' && { whenDone: 'conflict' }),
      async prepare(store, userId) {
        const { _id } = await subscribe(store, userId, 'plus');
        const read = () => store.models.Subscription.findById(_id).setOptions({ withDeleted: true }).orFail().exec();
        if (method === 'restore') await (await read()).softDelete();
        const subscription = await copies(read);
        return () => {
          switch (method) {
            case 'upgrade':
              return subscription().upgrade('pro');
            case 'downgrade':
              return subscription().downgrade('free');
            default:
              return subscription()[method]();
          }
        };
      },
    }),
  ),
  {
    name: 'user.updateSubscription',
    effect: 'once',
    async prepare(store, _id) {
      const user = await copies(() => store.models.User.findById(_id).orFail().exec());
      return () => user().updateSubscription('plus');
    },
  },
  ...(['softDelete', 'restore'] as const).map(
    (method): Scenario => ({
      name: `user.${method}`,
      effect: 'once',
      async prepare(store, _id) {
        const read = () => store.models.User.findById(_id).setOptions({ withDeleted: true }).orFail().exec();
        if (method === 'restore') await (await read()).softDelete();
        const user = await copies(read);
        return () => user()[method]();
      },
    }),
  ),
  {
    name: 'deleting a user',
    effect: 'once',
    prepare: async (store, _id) => () => deleteUser(store, { _id }, LIBRARY),
  },
  {
    name: 'restoring a user',
    effect: 'once',
    async prepare(store, _id) {
      await deleteUser(store, { _id }, LIBRARY);
      return () => restoreUser(store, { _id }, LIBRARY);
    },
  },
  {
    name: 'exporting a user',
    effect: 'each',
    prepare: async (store, _id) => () => exportUser(store, { _id }, LIBRARY),
  },
  {
    name: 'erasing a user',
    effect: 'stepwise',
    async prepare(store, _id) {
      const { _id: id, lease } = await held(store, _id);
      await complete(contextOf(store), id, lease.token, { outputImages: pictures(2) });
      await held(store, _id);
      await waiting(store, _id);
      await consumeQuota(contextOf(store), { _id }, { credits: 1, reason: 'because' });
      return () => eraseUser(store, { _id }, { actor: LIBRARY, removePicture: async () => {} });
    },
  },
  {
    name: 'cleaning up',
    effect: 'stepwise',
    async prepare(store, _id) {
      const { _id: id, lease } = await held(store, _id);
      await complete(contextOf(store), id, lease.token, { outputImages: pictures(2) });
      for (const _ of ['a failed', 'another one']) {
        const { _id: cancelled } = await waiting(store, _id);
        await cancel(contextOf(store), _id, cancelled);
      }
      await unfollowedSubscription(store, _id, 30);
      await sweep(contextOf(store), NO_GRACE);
      store.clock.advance(500 * DAY);
      await resetQuota(store, { _id }, LIBRARY);
      return () => performMaintenanceCleanup(store, { removePicture: async () => {} });
    },
  },
];
