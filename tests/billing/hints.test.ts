import { describe, expect, it } from 'vitest';
import { webhookEventsOf } from '@/models/collections.ts';
import { useShop } from '../support/billing.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

/** What an event says of a subscription is never believed: whatever it says, Stripe is asked how things are. */
const store = useDatabase();
const shop = useShop(store);

/** Tells, in other words, of a subscription that was sold. */
async function tell(difference: { data?: object; [field: string]: unknown }) {
  const userId = await signUp(store);
  const { app, server } = shop.current;
  const subscription = shop.current.sell(shop.current.customerOf(userId), 'plus');
  const event = server.sender.undelivered().find(({ type }) => type === 'customer.subscription.created');
  if (!event) throw new Error('A subscription was just sold');
  const data = { object: { ...subscription, ...difference.data } };
  const response = await server.sender.send(JSON.stringify({ ...event, ...difference, data }));
  expect(response.status).toBe(200);
  await app.inbox.drained();
  expect(await webhookEventsOf(store).findOne({ _id: `stripe:${event.id}` })).toMatchObject({ outcome: 'applied' });
  return readUser(store, userId);
}

describe('an event', () => {
  it.each<[string, Parameters<typeof tell>[0]]>([
    ['of a later version of the API', { api_version: '2031-04-01.quartz' }],
    ['of an older one', { api_version: '2015-10-16' }],
    ['of no version', { api_version: null }],
    ['of a kind of its subject that nobody knows yet', { type: 'customer.subscription.hypnotised' }],
    ['with fields that nobody knows yet', { mood: 'good', data: { aura: 'violet' } }],
    ['with a status that nobody knows yet', { data: { status: 'hibernating' } }],
    ['that says that all is over', { data: { status: 'canceled', ended_at: 1 } }],
    ['of a dearer price than was paid for', { data: { items: { data: [{ price: { lookup_key: 'artifex_pro' } }] } } }],
  ])('%s brings what was paid for', async (_, difference) => {
    expect(await tell(difference)).toMatchObject({ subscriptionTier: 'plus' });
  });
});
