import { describe, expect, it } from 'vitest';
import { type ReconcileOptions, reconcile } from '@/billing/reconcile.ts';
import { useShop } from '../support/billing.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import { failing } from '../support/stripe/faults.ts';
import { end } from '../support/stripe/lifecycle.ts';

const store = useDatabase();
const shop = useShop(store);

function deps() {
  const { deps: billing } = shop.current.app.billing;
  if (!billing) throw new Error('The shop has a Stripe');
  return billing;
}

/** Pages of events that nobody has taken. */
const events = () => Math.max(1, Math.ceil(shop.current.server.sender.undelivered().length / 100));

describe('a reconciliation', () => {
  it('makes equal what no event has told of, page by page, and finds nothing the second time', async () => {
    const users = await Promise.all(Array.from({ length: 130 }, () => signUp(store)));
    for (const userId of users) shop.current.sell(shop.current.customerOf(userId), 'plus');
    expect(await reconcile(deps())).toMatchObject({ repaired: 130, equal: 0, unknown: 0 });
    const before = shop.current.server.calls.length;
    expect(await reconcile(deps())).toMatchObject({ repaired: 0, equal: 130 });
    // Two pages of subscriptions and one of events; what is equal costs no call.
    expect(shop.current.server.calls.length - before).toBe(2 + events());
    for (const userId of users) expect((await readUser(store, userId)).subscriptionTier).toBe('plus');
  });

  it('ends what Stripe does not list any more', async () => {
    const userId = await signUp(store);
    const subscription = shop.current.sell(shop.current.customerOf(userId), 'pro');
    await shop.current.deliver();
    shop.current.server.world.subscriptions.delete(subscription.id);
    expect(await reconcile(deps())).toMatchObject({ repaired: 1 });
    expect((await readUser(store, userId)).subscriptionTier).toBe('free');
    expect(await reconcile(deps())).toMatchObject({ repaired: 0 });
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
    expect(await reconcile(deps())).toMatchObject({ repaired: 1, needPerson: 1, unknown: 1 });
    expect((await readUser(store, userId)).subscriptionTier).toBe('pro');
    expect(await reconcile(deps())).toMatchObject({ equal: 1, needPerson: 1, unknown: 1 });
  });

  it('is not held up by what a person has to decide', async () => {
    const userId = await signUp(store);
    shop.current.sell(shop.current.customerOf(userId), 'pro');
    await reconcile(deps());
    shop.current.sell(shop.current.customerOf(userId), 'plus');
    const other = await signUp(store);
    shop.current.sell(shop.current.customerOf(other), 'plus');
    expect(await reconcile(deps())).toMatchObject({ equal: 1, repaired: 1, needPerson: 1 });
    expect((await readUser(store, other)).subscriptionTier).toBe('plus');
  });

  it('waits where it has asked Stripe too often, and goes on', async () => {
    const userId = await signUp(store);
    shop.current.sell(shop.current.customerOf(userId), 'plus');
    shop.current.server.faults = failing('GET /v1/subscriptions', 'rate_limited', 2);
    expect(await reconcile(deps())).toMatchObject({ repaired: 1 });
  });
});

describe('a reconciliation that was cut off', () => {
  /** Of one process, and the next. */
  function kept(): NonNullable<ReconcileOptions['progress']> {
    let left: Record<string, unknown> | undefined;
    return {
      read: async () => left,
      async keep(place) {
        left = structuredClone(place);
      },
    };
  }

  async function sellTo(count: number) {
    const users = await Promise.all(Array.from({ length: count }, () => signUp(store)));
    for (const userId of users) shop.current.sell(shop.current.customerOf(userId), 'plus');
  }

  const pagesAsked = () =>
    shop.current.server.calls.filter(
      ({ pattern, params }) => pattern === 'GET /v1/subscriptions' && params['customer'] === undefined,
    );

  it('is gone on with behind the last page that was finished, and reports the whole', async () => {
    await sellTo(110);
    const progress = kept();
    const stopping = new AbortController();
    const onProgress = () => stopping.abort();
    const first = await reconcile(deps(), { progress, signal: stopping.signal, onProgress });
    expect(first).toMatchObject({ repaired: 100 });
    const asked = pagesAsked().length;
    expect(await reconcile(deps(), { progress })).toMatchObject({ repaired: 110, equal: 0 });
    // Whether the place is still there, and the page behind it.
    expect(pagesAsked().length - asked).toBe(2);
  });

  it('begins anew where its place is gone, or days old', async () => {
    await sellTo(3);
    // What the tests before have sold is listed no more.
    store.clock.advance(1);
    const progress = kept();
    await reconcile(deps(), { progress });
    const place = await progress.read();
    await progress.keep({ ...Object(place), part: 'listed', after: 'sub_gone' });
    expect(await reconcile(deps(), { progress })).toMatchObject({ equal: 3, repaired: 0 });
    await progress.keep({ ...Object(place), part: 'events' });
    store.clock.advance(4 * 24 * 3_600_000);
    expect(await reconcile(deps(), { progress })).toMatchObject({ equal: 3, repaired: 0 });
  });
});
