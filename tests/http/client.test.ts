import { beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { createClient } from '@/client.ts';
import { type TestApplication, testApplication } from '../support/application.ts';
import { signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
let api: TestApplication;
beforeAll(async () => {
  api = await testApplication(store);
});

/** A client that reaches the application without a socket. */
async function client(claims: Record<string, unknown> = {}) {
  const { token } = await api.person(claims);
  const fetch = async (input: string | URL | Request, init?: RequestInit) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input);
    return api.request(`${pathname}${search}`, init);
  };
  return createClient('http://api.test', token, { fetch });
}

describe('the typed client', () => {
  it('makes a generation and reads it again', async () => {
    const { v1 } = await client();
    const made = await v1.generations.$post({ query: {}, json: { type: 'text-to-image', prompt: 'A lighthouse' } });
    expect(made.status).toBe(201);
    const { id, status } = await made.json();
    expectTypeOf(status).toEqualTypeOf<'pending' | 'processing' | 'completed' | 'failed' | 'cancelled'>();
    const read = await v1.generations[':id'].$get({ query: {}, param: { id } });
    expect(await read.json()).toMatchObject({ id, prompt: 'A lighthouse' });
  });

  it('knows the shape of analytics and of the subscription', async () => {
    const { v1 } = await client();
    const { analytics } = await (await v1.analytics.$get({ query: { days: '2' } })).json();
    expectTypeOf(analytics.byStatus.pending).toEqualTypeOf<number>();
    expect(analytics.dailyGenerations).toHaveLength(2);
    const subscription = await (await v1.subscription.$get({ query: {} })).json();
    expectTypeOf(subscription.daysUntilRenewal).toEqualTypeOf<number | null>();
    expect(subscription.tier).toBe('free');
  });

  it('grants credits for an administrator', async () => {
    const { v1 } = await client({ metadata: { role: 'admin' } });
    const id = (await signUp(store)).toHexString();
    const granted = await v1.admin.users[':id'].quota.grant.$post({
      query: {},
      param: { id },
      json: { credits: 3, reason: 'a' },
    });
    const { quota, deletedAt } = await granted.json();
    expectTypeOf(deletedAt).toEqualTypeOf<string | null>();
    expect(quota.limit).toBe(13);
  });

  it('asks for a token as often as it is given something to ask', async () => {
    const { token } = await api.person();
    let asked = 0;
    const tokens = async () => {
      asked += 1;
      return token;
    };
    const asking = createClient('http://api.test', tokens, {
      fetch: async (_: unknown, init?: RequestInit) => api.request('/v1/me', init),
    });
    expect([
      (await asking.v1.me.$get({ query: {} })).status,
      (await asking.v1.me.$get({ query: {} })).status,
      asked,
    ]).toEqual([200, 200, 2]);
  });

  it('refuses to compile what the API does not take', () => {
    type Grant = Parameters<
      Awaited<ReturnType<typeof client>>['v1']['admin']['users'][':id']['quota']['grant']['$post']
    >[0];
    expectTypeOf<Grant['json']>().toEqualTypeOf<{ credits: number; reason: string }>();
  });
});
