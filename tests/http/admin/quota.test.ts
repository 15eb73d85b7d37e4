import { Types } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { KEY_RETENTION_MS } from '@/domain/ledger.ts';
import { auditOf, ledgerOf } from '@/models/collections.ts';
import { settle } from '@/repositories/settlement.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { problemOf } from '../../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../../support/application.ts';
import { useDatabase } from '../../support/database.ts';

const store = useDatabase();
let api: TestApplication;
let admin: Caller;
beforeAll(async () => {
  api = await testApplication(store);
  admin = await api.person({ metadata: { role: 'admin' } });
});

async function someone(): Promise<{ caller: Caller; id: string; quota: () => Promise<unknown> }> {
  const caller = await api.person();
  const { id } = await (await caller.get('/v1/me')).json();
  return { caller, id: String(id), quota: async () => (await caller.get('/v1/quota')).json() };
}

const grant = (id: string, body: unknown, key?: string) =>
  admin.post(`/v1/admin/users/${id}/quota/grant`, body, key === undefined ? {} : { 'Idempotency-Key': key });

describe('granting credits', () => {
  it('raises the limit of this period, in ledger and audit trail with its reason', async () => {
    const { id, caller } = await someone();
    const response = await grant(id, { credits: 5, reason: 'an outage' });
    expect([response.status, await response.json()]).toMatchObject([
      200,
      { id, quota: { limit: 15, used: 0, remaining: 15 } },
    ]);
    const { data } = await (await caller.get('/v1/quota/ledger')).json();
    expect(data).toMatchObject([{ kind: 'grant', credits: 5, balance: 15 }]);
    const { data: trail } = await (await admin.get('/v1/admin/audit?limit=1')).json();
    expect(trail).toMatchObject([
      {
        action: 'quota.granted',
        actor: { kind: 'admin', id: admin.clerkUserId },
        subject: { model: 'User', id },
        detail: { credits: 5, reason: 'an outage' },
      },
    ]);
  });

  it.each([
    ['at once', async () => {}],
    ['when it is settled', async (id: string) => void (await settle(store, [new Types.ObjectId(id)]))],
    ['when the account has forgotten it', forget],
  ])('under one key grants once, when repeated %s', async (_, passTime) => {
    const { id, quota } = await someone();
    const body = { credits: 5, reason: 'an outage' };
    const first = await grant(id, body, 'once');
    expect(first.headers.has('Idempotency-Replayed')).toBe(false);
    await passTime(id);
    const repeat = await grant(id, body, 'once');
    expect([repeat.status, repeat.headers.get('Idempotency-Replayed')]).toEqual([200, 'true']);
    expect(await quota()).toMatchObject({ limit: 15 });
    expect(await auditOf(store).countDocuments({ 'subject.id': new Types.ObjectId(id) })).toBe(1);
    expect((await verifyLedger(store)).violations).toEqual([]);
  });

  async function forget(id: string): Promise<void> {
    const _id = new Types.ObjectId(id);
    await settle(store, [_id]);
    store.clock.advance(KEY_RETENTION_MS);
    await settle(store, [_id]);
  }

  it('under one key is granted once by twins at the same time', async () => {
    const { id, quota } = await someone();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => grant(id, { credits: 2, reason: 'twins' }, 'twins')),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await quota()).toMatchObject({ limit: 12 });
  });

  it('refuses a key that granted something else to this user, and takes it for another one', async () => {
    const [one, other] = [await someone(), await someone()];
    await grant(one.id, { credits: 1, reason: 'a' }, 'reused');
    const refused = await grant(one.id, { credits: 2, reason: 'a' }, 'reused');
    expect(await problemOf(refused)).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
    expect((await grant(other.id, { credits: 2, reason: 'a' }, 'reused')).status).toBe(200);
    expect([await one.quota(), await other.quota()]).toMatchObject([{ limit: 11 }, { limit: 12 }]);
  });

  it('does not share its keys with what the administrator spends', async () => {
    const { id } = await someone();
    await grant(id, { credits: 1, reason: 'a' }, 'shared');
    const spent = await admin.post('/v1/quota/consume', { credits: 1 }, { 'Idempotency-Key': 'shared' });
    expect([spent.status, spent.headers.has('Idempotency-Replayed')]).toEqual([200, false]);
  });

  it.each([
    {},
    { credits: 1 },
    { reason: 'x' },
    { credits: 0, reason: 'x' },
    { credits: -1, reason: 'x' },
    { credits: 1.5, reason: 'x' },
    { credits: '1', reason: 'x' },
    { credits: 1_000_001, reason: 'x' },
    { credits: 1, reason: '' },
    { credits: 1, reason: '  ' },
    { credits: 1, reason: 'x'.repeat(501) },
    { credits: 1, reason: 'x', tier: 'pro' },
  ])('refuses %j', async (body) => {
    const { id, quota } = await someone();
    expect(await problemOf(await grant(id, body))).toMatchObject({ status: 400, code: 'validation_failed' });
    expect(await quota()).toMatchObject({ limit: 10 });
  });

  it('is 404 for nobody', async () => {
    const response = await grant(new Types.ObjectId().toHexString(), { credits: 1, reason: 'x' });
    expect(await problemOf(response)).toMatchObject({ status: 404, code: 'not_found' });
  });
});

describe('resetting a quota', () => {
  it('begins usage and grants anew and leaves the date as it is, in ledger and audit trail', async () => {
    const { id, caller, quota } = await someone();
    const before = await quota();
    await caller.post('/v1/quota/consume', { credits: 7 });
    await grant(id, { credits: 5, reason: 'x' });
    const response = await admin.post(`/v1/admin/users/${id}/quota/reset`);
    expect([response.status, await response.json()]).toMatchObject([200, { id, quota: { used: 0, limit: 10 } }]);
    expect(await quota()).toEqual(before);
    expect(await ledgerOf(store).countDocuments({ userId: new Types.ObjectId(id), kind: 'reset' })).toBe(1);
    const { data } = await (await admin.get('/v1/admin/audit?limit=1')).json();
    expect(data).toMatchObject([{ action: 'quota.reset', actor: { id: admin.clerkUserId }, subject: { id } }]);
  });

  it('is 404 for nobody', async () => {
    const response = await admin.post(`/v1/admin/users/${new Types.ObjectId()}/quota/reset`);
    expect(await problemOf(response)).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('refuses a body that says something', async () => {
    const { id } = await someone();
    const response = await admin.post(`/v1/admin/users/${id}/quota/reset`, { credits: 1 });
    expect(await problemOf(response)).toMatchObject({ status: 400, errors: [{ path: 'credits' }] });
  });
});
