import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { billingAccountsOf } from '@/models/collections.ts';
import { problemOf } from '../support/api.ts';
import type { Caller } from '../support/application.ts';
import { useShop } from '../support/billing.ts';
import { useDatabase } from '../support/database.ts';
import { complete, liveSubscriptionsOf } from '../support/stripe/checkout.ts';
import { deleteCustomer } from '../support/stripe/customers.ts';
import { FAULTS, failing } from '../support/stripe/faults.ts';
import { advanceTo, change, end } from '../support/stripe/lifecycle.ts';

const store = useDatabase();
const shop = useShop(store);

const page = z.object({ url: z.url() });
const DAY = 86_400;

async function checkout(person: Caller, tier: 'plus' | 'pro'): Promise<string> {
  const response = await person.post('/v1/subscription/checkout', { tier });
  expect(response.status).toBe(201);
  return (
    page
      .parse(await response.json())
      .url.split('/')
      .at(-1) ?? ''
  );
}

/** Somebody who has paid for the tier. */
async function subscriber(tier: 'plus' | 'pro'): Promise<Caller> {
  const person = await shop.current.app.person();
  complete(shop.current.server.world, await checkout(person, tier));
  await shop.current.deliver();
  return person;
}

const subscription = async (person: Caller) => (await person.get('/v1/subscription')).json();
const theOnly = () => {
  const [one, ...others] = [...shop.current.server.world.subscriptions.values()];
  if (!one || others.length > 0) throw new Error('There is to be one subscription');
  return one;
};

describe('Checkout', () => {
  it('leads from nothing to the tier that was paid for', async () => {
    const person = await subscriber('plus');
    expect(await subscription(person)).toMatchObject({ tier: 'plus', status: 'active', isActive: true });
    expect(await (await person.get('/v1/quota')).json()).toMatchObject({ tier: 'plus', limit: 100 });
  });

  it('is one page for one tier, however often and at once it is asked for', async () => {
    const person = await shop.current.app.person();
    const ids = await Promise.all(Array.from({ length: 8 }, () => checkout(person, 'plus')));
    expect(new Set(ids).size).toBe(1);
    expect(shop.current.server.world.customers.size).toBe(1);
  });

  it('sells once, whatever tiers were asked for at once and whichever pages are paid on', async () => {
    const person = await shop.current.app.person();
    await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        person.post('/v1/subscription/checkout', { tier: index % 2 === 0 ? 'plus' : 'pro' }),
      ),
    );
    const { world } = shop.current.server;
    for (const id of [...world.sessions.keys()]) complete(world, id);
    const [customer] = [...world.customers.keys()];
    expect(world.customers.size).toBe(1);
    expect(liveSubscriptionsOf(world, customer ?? '')).toHaveLength(1);
  });

  it('is refused beside a subscription that has not ended, also when nobody has been told of it yet', async () => {
    const person = await shop.current.app.person();
    complete(shop.current.server.world, await checkout(person, 'plus'));
    const response = await person.post('/v1/subscription/checkout', { tier: 'pro' });
    expect(await problemOf(response)).toMatchObject({ status: 409, code: 'conflict' });
  });

  it.each(FAULTS.flatMap((fault) => ['POST /v1/customers', 'POST /v1/checkout/sessions'].map((part) => [fault, part])))(
    'meets %s at %s and sells once all the same',
    async (fault, part) => {
      const person = await shop.current.app.person();
      const { server } = shop.current;
      const known = FAULTS.find((one) => one === fault);
      if (!known) throw new Error('There is no such fault');
      server.faults = failing(String(part), known, 3);
      const first = await person.post('/v1/subscription/checkout', { tier: 'plus' });
      expect([201, 503]).toContain(first.status);
      server.faults = () => null;
      await checkout(person, 'plus');
      for (const id of [...server.world.sessions.keys()]) complete(server.world, id);
      expect(server.world.subscriptions.size).toBe(1);
    },
  );

  it('is sold within the day though Stripe remembers an error of its own', async () => {
    const person = await shop.current.app.person();
    const { server } = shop.current;
    for (const part of ['POST /v1/customers', 'POST /v1/checkout/sessions']) {
      server.faults = failing(part, 'error_kept', 3);
      await person.post('/v1/subscription/checkout', { tier: 'plus' });
    }
    server.faults = () => null;
    const id = await checkout(person, 'plus');
    expect(await checkout(person, 'plus')).toBe(id);
    complete(server.world, id);
    expect(server.world.subscriptions.size).toBe(1);
  });

  it('sells once though the page before is almost a day old', async () => {
    const person = await shop.current.app.person();
    const { world } = shop.current.server;
    const first = await checkout(person, 'plus');
    const later = 23.5 * 3600;
    store.clock.advance(later * 1000);
    advanceTo(world, world.now + later);
    const second = await checkout(person, 'pro');
    complete(world, first);
    complete(world, second);
    expect([...world.subscriptions.values()]).toMatchObject([
      { items: { data: [{ price: { lookup_key: 'artifex_pro' } }] } },
    ]);
  });

  it('is opened for a customer whose billing account is gone', async () => {
    const person = await subscriber('plus');
    const { world } = shop.current.server;
    end(world, theOnly(), 'canceled');
    await shop.current.deliver();
    await billingAccountsOf(store).deleteMany({});
    await checkout(person, 'pro');
    expect(world.customers.size).toBe(1);
  });

  it('makes a new customer in the place of one who was deleted at Stripe', async () => {
    const person = await subscriber('plus');
    const { world } = shop.current.server;
    for (const customer of world.customers.values()) deleteCustomer(world, customer);
    await shop.current.deliver();
    expect(await subscription(person)).toMatchObject({ tier: 'free', status: 'canceled' });
    complete(world, await checkout(person, 'pro'));
    await shop.current.deliver();
    expect(await subscription(person)).toMatchObject({ tier: 'pro', status: 'active' });
  });
});

describe('a change', () => {
  it('to a higher tier is there at once', async () => {
    const person = await subscriber('plus');
    const response = await person.patch('/v1/subscription', { tier: 'pro' });
    expect([response.status, await response.json()]).toMatchObject([200, { tier: 'pro' }]);
    expect(await (await person.get('/v1/quota')).json()).toMatchObject({ limit: 1000 });
  });

  it('to a higher tier waits for its payment', async () => {
    const person = await subscriber('plus');
    shop.current.server.world.declined.add(theOnly().customer);
    expect(await (await person.patch('/v1/subscription', { tier: 'pro' })).json()).toMatchObject({ tier: 'plus' });
  });

  it('to a lower tier comes with the next period, and can be taken back until then', async () => {
    const person = await subscriber('pro');
    const lower = await person.patch('/v1/subscription', { tier: 'plus' });
    expect(await lower.json()).toMatchObject({ tier: 'pro', pendingTier: 'plus' });
    expect(await (await person.patch('/v1/subscription', { tier: 'pro' })).json()).toMatchObject({ pendingTier: null });
    await person.patch('/v1/subscription', { tier: 'plus' });
    advanceTo(shop.current.server.world, shop.current.server.world.now + 32 * DAY);
    await shop.current.deliver();
    expect(await subscription(person)).toMatchObject({ tier: 'plus', pendingTier: null });
  });

  it('to free ends the subscription with its period, unless it is resumed', async () => {
    const person = await subscriber('plus');
    const ending = await person.patch('/v1/subscription', { tier: 'free' });
    expect(await ending.json()).toMatchObject({ tier: 'plus', isActive: true, cancelAtPeriodEnd: true });
    const resumed = await person.patch('/v1/subscription', { cancelAtPeriodEnd: false });
    expect(await resumed.json()).toMatchObject({ cancelAtPeriodEnd: false });
    await person.patch('/v1/subscription', { cancelAtPeriodEnd: true });
    advanceTo(shop.current.server.world, shop.current.server.world.now + 32 * DAY);
    await shop.current.deliver();
    expect(await subscription(person)).toMatchObject({ tier: 'free', status: 'canceled', isActive: false });
  });

  it('takes the place of a lower tier that was to come', async () => {
    const person = await subscriber('pro');
    await person.patch('/v1/subscription', { tier: 'plus' });
    const ending = await person.patch('/v1/subscription', { cancelAtPeriodEnd: true });
    expect(await ending.json()).toMatchObject({ pendingTier: null, cancelAtPeriodEnd: true });
  });

  it.each(FAULTS)('meets %s and is billed once', async (fault) => {
    const person = await subscriber('plus');
    const { server } = shop.current;
    server.faults = failing('POST /v1/subscriptions', fault, 3);
    await person.patch('/v1/subscription', { tier: 'pro' });
    server.faults = () => null;
    expect(await (await person.patch('/v1/subscription', { tier: 'pro' })).json()).toMatchObject({ tier: 'pro' });
    const upgrades = [...server.world.invoices.values()].filter((one) => one.billing_reason === 'subscription_update');
    expect(upgrades).toHaveLength(1);
  });

  it.each([
    ['without a subscription', { tier: 'pro' }, 409],
    ['that contradicts itself', { tier: 'free', cancelAtPeriodEnd: false }, 400],
    ['to a tier that is none', { tier: 'gold' }, 400],
    ['with an unknown field', { status: 'active' }, 400],
  ])('%s is refused', async (_, body, status) => {
    const person = await shop.current.app.person();
    expect((await person.patch('/v1/subscription', body)).status).toBe(status);
  });

  it('in the dashboard of Stripe is followed', async () => {
    const person = await subscriber('plus');
    const { world } = shop.current.server;
    change(world, theOnly(), () => {
      for (const item of theOnly().items.data) item.price = shop.current.prices.pro;
    });
    await shop.current.deliver();
    expect(await subscription(person)).toMatchObject({ tier: 'pro' });
  });
});

describe('the portal', () => {
  it('opens for who has bought, and leads back to the application', async () => {
    const person = await subscriber('plus');
    const response = await person.post('/v1/subscription/portal');
    expect(response.status).toBe(201);
    expect(page.parse(await response.json()).url).toMatch(/^https:\/\/billing\.stripe\.com\//);
    const [session] = [...shop.current.server.world.portalSessions.values()];
    expect(session?.return_url).toBe('https://app.example.com/billing');
  });

  it('is refused to who never was a customer', async () => {
    const person = await shop.current.app.person();
    expect(await problemOf(await person.post('/v1/subscription/portal'))).toMatchObject({ code: 'conflict' });
  });
});
