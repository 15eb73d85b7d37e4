import type { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { webhookEventsOf } from '@/models/collections.ts';
import { STRIPE_WEBHOOK_SECRET, type TestApplication } from '../support/application.ts';
import { useShop } from '../support/billing.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import type { Held } from '../support/stripe/holding.ts';
import { change, end, setPrice } from '../support/stripe/lifecycle.ts';
import type { Subscription } from '../support/stripe/shapes.ts';

/** Two processes that sync one customer, of whom the first has asked Stripe before something changed there, and the second after it. */
const store = useDatabase();
const shop = useShop(store);

interface Change {
  happen(subscription: Subscription): void;
  tier: 'free' | 'plus' | 'pro';
  status: string;
}

const CHANGES: Record<string, Change> = {
  'an upgrade': {
    happen: (subscription) =>
      change(shop.current.server.world, subscription, () => setPrice(subscription, shop.current.prices.pro)),
    tier: 'pro',
    status: 'active',
  },
  'the end': {
    happen: (subscription) => end(shop.current.server.world, subscription, 'canceled'),
    tier: 'free',
    status: 'canceled',
  },
  'a payment that was refused': {
    happen: (subscription) =>
      change(shop.current.server.world, subscription, () => {
        subscription.status = 'unpaid';
      }),
    tier: 'free',
    status: 'unpaid',
  },
};

/** Somebody who has bought, and whether anybody here knows it. */
async function buyer(isKnown: boolean) {
  const userId = await signUp(store);
  const subscription = shop.current.sell(shop.current.customerOf(userId), 'plus');
  if (isKnown) {
    await shop.current.deliver();
    // The first sync has something to write, too.
    change(shop.current.server.world, subscription, () => {
      subscription.metadata = { note: 'old' };
    });
  }
  return { userId, subscription };
}

/** Brings the last of the news to a process, whose only sync is answered by Stripe when it is let go. The rest of the news is lost. */
async function beginSync(app: TestApplication): Promise<Held> {
  const { server } = shop.current;
  server.sender.sendTo('/webhooks/stripe', STRIPE_WEBHOOK_SECRET, (url, init) => app.request(url, init));
  const held = server.hold('GET /v1/subscriptions');
  const news = server.sender.undelivered();
  const last = news.pop();
  if (!last) throw new Error('Something has just happened');
  for (const event of news) event.pending_webhooks = 0;
  await server.sender.deliver(last);
  await held.arrived;
  return held;
}

async function expectNewest(userId: Types.ObjectId, { tier, status }: Pick<Change, 'tier' | 'status'>): Promise<void> {
  expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: tier });
  const stored = await store.models.Subscription.find({ userId });
  expect(stored).toMatchObject([{ status, tier: tier === 'free' ? 'plus' : tier }]);
  expect(await webhookEventsOf(store).countDocuments({ state: { $ne: 'ended' } })).toBe(0);
}

describe.each(Object.entries(CHANGES))('of two syncs around %s', (_, happening) => {
  describe.each([
    ['that is stored already', true],
    ['that nobody knows yet', false],
  ])('of a subscription %s', (__, isKnown) => {
    it.each(['the one that knows less', 'the one that knows more'] as const)(
      '%s may write last, and the newer state stays',
      async (last) => {
        const { app: first } = shop.current;
        const second = await shop.current.another();
        const { userId, subscription } = await buyer(isKnown);
        const less = await beginSync(first);
        happening.happen(subscription);
        const more = await beginSync(second);
        const order = last === 'the one that knows less' ? ([more, less] as const) : ([less, more] as const);
        const apps = last === 'the one that knows less' ? [second, first] : [first, second];
        order[0].release();
        await apps[0]?.inbox.drained();
        order[1].release();
        await apps[1]?.inbox.drained();
        await expectNewest(userId, happening);
      },
    );
  });
});

describe('of two syncs around something that is taken back', () => {
  it('the one that knows less may write, though the other one had nothing to write, and the newer state stays', async () => {
    const { app: first, server } = shop.current;
    const second = await shop.current.another();
    const { userId, subscription } = await buyer(true);
    await shop.current.deliver();
    const becomes = (status: string) =>
      change(server.world, subscription, () => {
        subscription.status = status;
      });
    becomes('paused');
    const less = await beginSync(first);
    becomes('active');
    const more = await beginSync(second);
    more.release();
    await second.inbox.drained();
    less.release();
    await first.inbox.drained();
    await expectNewest(userId, { tier: 'plus', status: 'active' });
  });
});
