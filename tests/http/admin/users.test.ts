import { Types } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { auditOf } from '@/models/collections.ts';
import { deleteUser } from '@/repositories/accounts.ts';
import { problemOf } from '../../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../../support/application.ts';
import { signUp, useDatabase } from '../../support/database.ts';

const store = useDatabase();
let api: TestApplication;
let admin: Caller;
beforeAll(async () => {
  api = await testApplication(store);
  admin = await api.person({ metadata: { role: 'admin' } });
});

const page = z.object({
  data: z.array(z.looseObject({ id: z.string(), email: z.string(), isDeleted: z.boolean() })),
  nextCursor: z.string().nullable(),
});

async function list(search: string, caller = admin) {
  return page.parse(await (await caller.get(`/v1/admin/users${search}`)).json());
}

async function named(email: string, tier: 'free' | 'plus' | 'pro' = 'free'): Promise<Types.ObjectId> {
  const clerkUserId = `user_${new Types.ObjectId()}`;
  return (await store.models.User.create({ clerkUserId, email, subscriptionTier: tier }))._id;
}

describe('GET /v1/admin/users', () => {
  it('shows every user once, newest first, while people sign up between the pages', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      store.clock.advance(index % 2);
      ids.unshift((await signUp(store, 'pro')).toHexString());
    }
    const first = await list('?tier=pro&limit=2');
    await signUp(store, 'pro');
    const second = await list(`?tier=pro&limit=2&cursor=${first.nextCursor}`);
    const third = await list(`?tier=pro&limit=2&cursor=${second.nextCursor}`);
    expect([...first.data, ...second.data, ...third.data].map(({ id }) => id)).toEqual(ids);
    expect(third.nextCursor).toBeNull();
  });

  it('finds an address as a whole, whatever its letters', async () => {
    const id = await named('Some.One@Example.com', 'plus');
    for (const email of ['some.one@example.com', 'SOME.ONE@EXAMPLE.COM', ' some.one@example.com ']) {
      expect((await list(`?email=${encodeURIComponent(email)}`)).data).toMatchObject([{ id: id.toHexString() }]);
    }
    expect((await list('?email=some.one@example.com&tier=plus')).data).toHaveLength(1);
    expect((await list('?email=some.one@example.com&tier=free')).data).toEqual([]);
    expect((await list('?email=one@example.com')).data).toEqual([]);
    expect((await list('?email=.*')).data).toEqual([]);
  });

  it('shows deleted users, marked', async () => {
    const id = await named('gone@example.com');
    await deleteUser(store, { _id: id }, { kind: 'library' });
    expect((await list('?email=gone@example.com')).data).toMatchObject([
      { isDeleted: true, deletedAt: store.clock.now().toISOString() },
    ]);
  });

  it('writes into the audit trail who of others was looked at, and no one else', async () => {
    const shown = [await named('same@example.com'), await named('same@example.com')];
    store.clock.advance(1);
    shown.push(await named('same@example.com'));
    const reader = await api.person({ metadata: { role: 'admin' }, email: 'same@example.com' });
    await reader.get('/v1/me');
    const trail = () =>
      auditOf(store)
        .find({ 'actor.id': reader.clerkUserId, action: 'user.read', 'subject.id': { $in: shown } })
        .toArray();
    await list('?email=same@example.com&limit=2', reader);
    expect(await trail()).toMatchObject([{ actor: { kind: 'admin' }, subject: { model: 'User' } }]);
    await list('?email=same@example.com', reader);
    expect(await trail()).toHaveLength(4);
    const me = await store.models.User.findByClerkId(reader.clerkUserId);
    expect(await auditOf(store).countDocuments({ 'subject.id': me?._id })).toBe(0);
  });

  it.each(['tier=gold', 'email=', 'limit=0', 'limit=101', 'cursor=x', 'name=x', 'tier=free&tier=pro', 'email[$ne]=x'])(
    'refuses ?%s',
    async (search) => {
      const response = await admin.get(`/v1/admin/users?${search}`);
      expect(await problemOf(response)).toMatchObject({ status: 400, code: 'validation_failed' });
    },
  );
});

describe('GET /v1/admin/users/{id}', () => {
  it('shows the user with their subscription, and nothing that is nobody’s to see', async () => {
    const id = await named('paying@example.com', 'plus');
    const end = new Date(store.clock.now().getTime() + 36 * 3_600_000);
    await store.models.Subscription.create({
      userId: id,
      tier: 'plus',
      status: 'trialing',
      stripeCustomerId: 'cus_secret',
      stripeSubscriptionId: 'sub_secret',
      metadata: { note: 'secret' },
      currentPeriodEnd: end,
      trialEnd: end,
    });
    const response = await admin.get(`/v1/admin/users/${id}`);
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).not.toContain('secret');
    expect(JSON.parse(text)).toMatchObject({
      id: id.toHexString(),
      email: 'paying@example.com',
      subscriptionTier: 'plus',
      quota: { tier: 'plus', limit: 100, used: 0, remaining: 100 },
      isDeleted: false,
      deletedAt: null,
      subscription: {
        tier: 'plus',
        status: 'trialing',
        isActive: true,
        currentPeriodEnd: end.toISOString(),
        trialStart: null,
        trialEnd: end.toISOString(),
        daysUntilRenewal: 2,
        pendingTier: null,
      },
    });
  });

  it('is written to the audit trail', async () => {
    const id = await named('read@example.com');
    expect(await (await admin.get(`/v1/admin/users/${id}`)).json()).toMatchObject({ subscription: null });
    expect(await auditOf(store).find({ 'subject.id': id }).toArray()).toMatchObject([
      { action: 'user.read', actor: { kind: 'admin', id: admin.clerkUserId }, at: store.clock.now() },
    ]);
  });

  it.each([new Types.ObjectId().toHexString(), 'nobody', '%00', '..%2f'])('is 404 for %s', async (id) => {
    expect(await problemOf(await admin.get(`/v1/admin/users/${id}`))).toMatchObject({ code: 'not_found' });
  });
});
