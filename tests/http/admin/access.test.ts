import { beforeAll, describe, expect, it } from 'vitest';
import { auditOf } from '@/models/collections.ts';
import { deleteUser } from '@/repositories/accounts.ts';
import { eventId, keepEvent } from '@/repositories/inbox.ts';
import { problemOf } from '../../support/api.ts';
import { type TestApplication, testApplication } from '../../support/application.ts';
import { signUp, useDatabase } from '../../support/database.ts';
import { createTokenIssuer } from '../../support/tokens.ts';

const store = useDatabase();
const EVENT = eventId('stripe', 'evt_1');
let api: TestApplication;
beforeAll(async () => {
  api = await testApplication(store);
  const told = { source: 'stripe', id: 'evt_1', type: 'invoice.paid', occurredAt: new Date(0), facts: {} } as const;
  await keepEvent(store, told, false);
});

const ROUTES = [
  ['GET', '/v1/admin/analytics'],
  ['GET', '/v1/admin/users'],
  ['GET', '/v1/admin/users/{id}'],
  ['POST', '/v1/admin/users/{id}/quota/reset'],
  ['POST', '/v1/admin/users/{id}/quota/grant'],
  ['POST', '/v1/admin/maintenance/cleanup'],
  ['POST', '/v1/admin/maintenance/quota-reset'],
  ['GET', '/v1/admin/audit'],
  ['GET', '/v1/admin/webhooks'],
  ['POST', '/v1/admin/webhooks/{event}/replay'],
] as const;

async function call(method: string, path: string, token?: string): Promise<Response> {
  const userId = await signUp(store);
  return api.request(path.replace('{id}', userId.toHexString()).replace('{event}', EVENT), {
    method,
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(path.endsWith('grant') && { 'Content-Type': 'application/json' }),
    },
    ...(path.endsWith('grant') && { body: '{"credits":1,"reason":"because"}' }),
  });
}

describe.each(ROUTES)('%s %s', (method, path) => {
  it('is 401 without a token', async () => {
    expect(await problemOf(await call(method, path))).toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  it('is 401 with a token that somebody else has signed, or nobody', async () => {
    const admin = { metadata: { role: 'admin' } };
    const stranger = await createTokenIssuer();
    for (const token of [await stranger.sign(admin), api.issuer.unsigned(admin), 'nonsense']) {
      expect(await problemOf(await call(method, path, token))).toMatchObject({ status: 401, code: 'unauthenticated' });
    }
  });

  it.each([
    ['without the claim', {}],
    ['with another role', { metadata: { role: 'user' } }],
    ['with the role in a list', { metadata: { role: ['admin'] } }],
    ['with the role where users write', { unsafe_metadata: { role: 'admin' }, role: 'admin' }],
    ['with the role in capitals', { metadata: { role: 'Admin' } }],
  ])('is 403 forbidden %s, and leaves no trace', async (_, claims) => {
    const before = await auditOf(store).countDocuments({});
    const response = await call(method, path, await api.issuer.sign(claims));
    expect(await problemOf(response)).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await auditOf(store).countDocuments({})).toBe(before);
  });

  it('is 403 account_deleted for an administrator whose account was deleted, and leaves no trace', async () => {
    const admin = await api.person({ metadata: { role: 'admin' } });
    await admin.get('/v1/me');
    await deleteUser(store, { clerkUserId: admin.clerkUserId }, { kind: 'job', id: 'elsewhere' });
    const acts = () => auditOf(store).countDocuments({ 'actor.id': admin.clerkUserId });
    const response = await call(method, path, admin.token);
    expect(await problemOf(response)).toMatchObject({ status: 403, code: 'account_deleted' });
    expect(await acts()).toBe(0);
  });

  it('makes a user of an administrator who was never seen, as any first request does', async () => {
    const admin = await api.person({ metadata: { role: 'admin' } });
    await call(method, path, admin.token);
    expect(await store.models.User.findByClerkId(admin.clerkUserId)).toMatchObject({ subscriptionTier: 'free' });
  });

  it('is answered for an administrator', async () => {
    const token = await api.issuer.sign({ metadata: { role: 'admin' } });
    expect((await call(method, path, token)).status).toBe(200);
  });
});
