import { beforeAll, describe, expect, it } from 'vitest';
import type { Subscription } from '@/models/Subscription.ts';
import { problemOf } from '../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
let api: TestApplication;
beforeAll(async () => {
  api = await testApplication(store);
});

const HOUR = 3_600_000;
const inHours = (hours: number) => new Date(store.clock.now().getTime() + hours * HOUR);

async function subscriber(fields: Partial<Subscription>): Promise<Caller> {
  const caller = await api.person();
  await caller.get('/v1/me');
  const user = await store.models.User.findOne({ clerkUserId: caller.clerkUserId }).orFail();
  await store.models.Subscription.create({
    userId: user._id,
    tier: 'plus',
    status: 'active',
    currentPeriodEnd: inHours(25),
    ...fields,
  });
  return caller;
}

const subscriptionOf = async (caller: Caller) => (await caller.get('/v1/subscription')).json();

describe('GET /v1/subscription', () => {
  it('says `free` and no status to somebody without one', async () => {
    expect(await subscriptionOf(await api.person())).toEqual({
      tier: 'free',
      status: null,
      isActive: false,
      currentPeriodEnd: null,
      cancelAtPeriodEnd: false,
      daysUntilRenewal: null,
      pendingTier: null,
    });
  });

  it('shows one that is active, and none of what Stripe knows it by', async () => {
    const caller = await subscriber({ stripeCustomerId: 'cus_1', pendingTier: 'free', cancelAtPeriodEnd: true });
    expect(await subscriptionOf(caller)).toEqual({
      tier: 'plus',
      status: 'active',
      isActive: true,
      currentPeriodEnd: inHours(25).toISOString(),
      cancelAtPeriodEnd: true,
      daysUntilRenewal: 2,
      pendingTier: 'free',
    });
  });

  it.each([
    ['trialing', true],
    ['incomplete', false],
    ['incomplete_expired', false],
    ['canceled', false],
    ['unpaid', false],
    ['paused', false],
  ] as const)('of one that is %s grants its tier: %s', async (status, isActive) => {
    const answer = await subscriptionOf(await subscriber({ status }));
    expect(answer).toMatchObject({ status, isActive, tier: isActive ? 'plus' : 'free' });
  });

  it('of one that is past due grants its tier for 3 days', async () => {
    const within = await subscriber({ status: 'past_due', currentPeriodStart: inHours(-71) });
    const after = await subscriber({ status: 'past_due', currentPeriodStart: inHours(-73) });
    expect(await subscriptionOf(within)).toMatchObject({ isActive: true, tier: 'plus' });
    expect(await subscriptionOf(after)).toMatchObject({ isActive: false, tier: 'free', status: 'past_due' });
  });

  it('needs a session token', async () => {
    expect(await problemOf(await api.request('/v1/subscription'))).toMatchObject({ code: 'unauthenticated' });
  });
});

describe('where Stripe cannot be asked', () => {
  it('says what is not there to be changed or managed, rather than to come back', async () => {
    const caller = await api.person();
    for (const request of [
      () => caller.patch('/v1/subscription', { tier: 'pro' }),
      () => caller.patch('/v1/subscription', { cancelAtPeriodEnd: true }),
      () => caller.post('/v1/subscription/portal'),
    ]) {
      expect(await problemOf(await request())).toMatchObject({ status: 409, code: 'conflict' });
    }
    expect(await problemOf(await caller.post('/v1/subscription/checkout', { tier: 'plus' }))).toMatchObject({
      status: 503,
      code: 'unavailable',
    });
  });

  it('refuses a second subscription beside one that has not ended, and can change and manage none', async () => {
    const caller = await subscriber({ stripeCustomerId: 'cus_kept', stripeSubscriptionId: 'sub_kept' });
    expect(await problemOf(await caller.post('/v1/subscription/checkout', { tier: 'pro' }))).toMatchObject({
      status: 409,
      code: 'conflict',
    });
    for (const request of [
      () => caller.patch('/v1/subscription', { tier: 'pro' }),
      () => caller.post('/v1/subscription/portal'),
    ]) {
      expect(await problemOf(await request())).toMatchObject({ status: 503, code: 'unavailable' });
    }
  });
});
