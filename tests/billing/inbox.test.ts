import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { webhookEventsOf } from '@/models/collections.ts';
import { wakeEvents } from '@/repositories/inbox.ts';
import { problemOf } from '../support/api.ts';
import { useShop } from '../support/billing.ts';
import { commandsDuring } from '../support/commands.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const shop = useShop(store);

const stored = () => webhookEventsOf(store).find({}).toArray();

describe('an event of Stripe', () => {
  it('brings the tier that was paid for', async () => {
    const userId = await signUp(store);
    shop.current.sell(shop.current.customerOf(userId), 'plus');
    await shop.current.deliver();
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'plus' });
    const subscription = await store.models.Subscription.findByUserId(userId);
    expect(subscription).toMatchObject({ tier: 'plus', status: 'active' });
  });

  it.each(['livemode', 'created', 'api_version'])('is not left for saying nothing of its %s', async (field) => {
    const userId = await signUp(store);
    const { server, app } = shop.current;
    shop.current.sell(shop.current.customerOf(userId), 'plus');
    const event = server.sender.undelivered().find(({ type }) => type === 'customer.subscription.created');
    expect((await server.sender.send(JSON.stringify({ ...event, [field]: undefined }))).status).toBe(200);
    await app.inbox.drained();
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'plus' });
  });

  it('is kept once, and applied once, however often it is brought', async () => {
    const userId = await signUp(store);
    const { server, app } = shop.current;
    shop.current.sell(shop.current.customerOf(userId), 'plus');
    const event = server.sender.undelivered().find(({ type }) => type === 'customer.subscription.created');
    if (!event) throw new Error('Nothing happened');
    const answers = await Promise.all(Array.from({ length: 5 }, () => server.sender.deliver(event)));
    await app.inbox.drained();
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(await webhookEventsOf(store).countDocuments({ _id: `stripe:${event.id}` })).toBe(1);
    // Once to learn it, and once after it was written.
    expect(server.calls.filter(({ pattern }) => pattern === 'GET /v1/subscriptions')).toHaveLength(2);
  });

  it('costs 3 commands to the database and 1 call to Stripe when it tells nothing new', async () => {
    const userId = await signUp(store);
    const customer = shop.current.customerOf(userId);
    const subscription = shop.current.sell(customer, 'plus');
    await shop.current.deliver();
    const { server, app } = shop.current;
    server.world.emit('customer.subscription.updated', subscription);
    const calls = server.calls.length;
    const commands = await commandsDuring(store.connection, () => shop.current.deliver());
    expect(commands).toEqual(['insert', 'find', 'update']);
    expect(server.calls.length - calls).toBe(1);
    expect(app.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('waits for a user who is not known yet, and is applied when they appear', async () => {
    const { server, app } = shop.current;
    const clerkUserId = `user_${new Types.ObjectId()}`;
    const customer = shop.current.customerOf(new Types.ObjectId());
    const known = server.world.customers.get(customer);
    if (known) known.metadata = { userId: clerkUserId };
    shop.current.sell(customer, 'pro');
    await shop.current.deliver();
    expect(await wakeEvents(store)).toMatchObject({ eventsWoken: 0 });
    const { _id } = await store.models.User.create({ clerkUserId });
    expect((await wakeEvents(store)).eventsWoken).toBeGreaterThan(0);
    await app.inbox.work();
    expect(await readUser(store, _id)).toMatchObject({ subscriptionTier: 'pro' });
  });

  it.each([
    ['a wrong secret', { secret: 'whsec_other' }],
    ['an old signature', { signedAt: Math.floor(Date.now() / 1000) - 3_600 }],
  ])('is refused with %s, and leaves no trace', async (_, delivery) => {
    const userId = await signUp(store);
    shop.current.sell(shop.current.customerOf(userId), 'plus');
    const before = await stored();
    for (const event of shop.current.server.sender.undelivered()) {
      const response = await shop.current.server.sender.deliver(event, delivery);
      expect(response.status).toBe(400);
      expect(await problemOf(response)).toMatchObject({ code: 'invalid_signature' });
    }
    expect(await stored()).toEqual(before);
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });
  });

  it('is kept and tried again while Stripe is out of reach', async () => {
    const userId = await signUp(store);
    const { server, app } = shop.current;
    shop.current.sell(shop.current.customerOf(userId), 'plus');
    const light = server.goDark();
    await shop.current.deliver();
    expect(server.sender.undelivered()).toEqual([]);
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });
    light();
    store.clock.advance(30_000);
    await app.inbox.work();
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'plus' });
  });
});
