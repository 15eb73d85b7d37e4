import { describe, expect, it } from 'vitest';
import { reconcile } from '@/billing/reconcile.ts';
import { useShop } from '../support/billing.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import { end } from '../support/stripe/lifecycle.ts';

const store = useDatabase();
const shop = useShop(store);

function deps() {
  const { deps: billing } = shop.current.app.billing;
  if (!billing) throw new Error('The shop has a Stripe');
  return billing;
}

describe('a reconciliation', () => {
  it('makes equal what no event has told of, page by page, and finds nothing the second time', async () => {
    const users = await Promise.all(Array.from({ length: 130 }, () => signUp(store)));
    for (const userId of users) shop.current.sell(shop.current.customerOf(userId), 'plus');
    expect(await reconcile(deps())).toMatchObject({ repaired: 130, equal: 0, unknown: 0 });
    expect(await reconcile(deps())).toMatchObject({ repaired: 0, equal: 130 });
    for (const userId of users) expect((await readUser(store, userId)).subscriptionTier).toBe('plus');
  });

  it('ends what Stripe does not list any more', async () => {
    const userId = await signUp(store);
    const subscription = shop.current.sell(shop.current.customerOf(userId), 'pro');
    await shop.current.deliver();
    shop.current.server.world.subscriptions.delete(subscription.id);
    await reconcile(deps());
    expect((await readUser(store, userId)).subscriptionTier).toBe('free');
  });

  it('takes in the events that Stripe could not deliver, once', async () => {
    const userId = await signUp(store);
    const subscription = shop.current.sell(shop.current.customerOf(userId), 'plus');
    await shop.current.deliver();
    end(shop.current.server.world, subscription, 'canceled');
    expect((await reconcile(deps())).eventsKept).toBe(1);
    expect((await reconcile(deps())).eventsKept).toBe(0);
    await shop.current.app.inbox.work();
    expect((await readUser(store, userId)).subscriptionTier).toBe('free');
  });

  it('tells of customers whom nobody is known by, and of what a person has to look at', async () => {
    const { world } = shop.current.server;
    const userId = await signUp(store);
    const customer = shop.current.customerOf(userId);
    shop.current.sell(customer, 'plus');
    shop.current.sell(customer, 'pro');
    const stranger = shop.current.customerOf(userId);
    const known = world.customers.get(stranger);
    if (known) known.metadata = {};
    shop.current.sell(stranger, 'plus');
    expect(await reconcile(deps())).toMatchObject({ needPerson: 1, unknown: 1 });
    expect((await readUser(store, userId)).subscriptionTier).toBe('pro');
  });
});
