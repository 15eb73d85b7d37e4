import { beforeAll, describe, expect, it } from 'vitest';
import { usersOf } from '@/models/collections.ts';
import { restoreUser } from '@/repositories/accounts.ts';
import { settle } from '@/repositories/settlement.ts';
import { claim } from '@/workflows/claim.ts';
import { complete } from '@/workflows/endGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { problemOf } from '../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
const IMAGE = { type: 'text-to-image', prompt: 'A bay' };

let api: TestApplication;
beforeAll(async () => {
  api = await testApplication(store);
});

async function userOf(caller: Caller) {
  return usersOf(store).findOne({ clerkUserId: caller.clerkUserId });
}

describe('PATCH /v1/me', () => {
  it('changes what is named, also within preferences and settings, and leaves the rest', async () => {
    const caller = await api.person({ email: 'me@example.com', name: 'Before' });
    const before = await (await caller.get('/v1/me')).json();
    const response = await caller.patch('/v1/me', {
      name: ' After ',
      preferences: { theme: 'dark', defaultQuality: 'hd' },
      settings: { quotaAlerts: false },
    });
    const expected = {
      ...before,
      name: 'After',
      preferences: { ...before.preferences, theme: 'dark', defaultQuality: 'hd' },
      settings: { ...before.settings, quotaAlerts: false },
    };
    expect([response.status, await response.json()]).toEqual([200, expected]);
    expect(await (await caller.get('/v1/me')).json()).toEqual(expected);
  });

  it('loses no field when different ones are changed at the same time', async () => {
    const caller = await api.person();
    await caller.get('/v1/me');
    const changes = [
      { name: 'N' },
      { preferences: { theme: 'dark' } },
      { preferences: { language: 'pt-BR' } },
      { preferences: { defaultStyle: 'anime' } },
      { preferences: { defaultAspectRatio: '16:9' } },
      { settings: { emailNotifications: false } },
      { settings: { quotaAlerts: false } },
    ];
    await Promise.all(changes.map((change) => caller.patch('/v1/me', change)));
    expect(await (await caller.get('/v1/me')).json()).toMatchObject({
      name: 'N',
      preferences: { theme: 'dark', language: 'pt-BR', defaultStyle: 'anime', defaultAspectRatio: '16:9' },
      settings: { emailNotifications: false, quotaAlerts: false },
    });
  });

  it.each([{}, { preferences: {} }, { settings: {}, preferences: {} }])('changes nothing with %j', async (body) => {
    const caller = await api.person();
    const before = await (await caller.get('/v1/me')).json();
    const response = await caller.patch('/v1/me', body);
    expect([response.status, await response.json()]).toEqual([200, before]);
  });

  it('makes the user of a first request', async () => {
    const caller = await api.person({ email: 'first@example.com', name: 'Claimed' });
    const response = await caller.patch('/v1/me', { name: 'Chosen' });
    expect(await response.json()).toMatchObject({ name: 'Chosen', email: 'first@example.com' });
  });

  it('takes a text as it is, whatever it looks like', async () => {
    const caller = await api.person();
    const response = await caller.patch('/v1/me', {
      name: '$subscriptionTier',
      preferences: { defaultStyle: '$$NOW' },
    });
    expect(await response.json()).toMatchObject({ name: '$subscriptionTier', preferences: { defaultStyle: '$$NOW' } });
  });

  it.each([
    [{ subscriptionTier: 'pro' }, 'subscriptionTier'],
    [{ email: 'other@example.com' }, 'email'],
    [{ monthlyUsage: 0 }, 'monthlyUsage'],
    [{ isDeleted: false }, 'isDeleted'],
    [{ 'preferences.theme': 'dark' }, 'preferences.theme'],
    [{ preferences: { colour: 'red' } }, 'preferences.colour'],
    [{ settings: { quotaAlerts: 'no' } }, 'settings.quotaAlerts'],
    [{ preferences: { theme: 'neon' } }, 'preferences.theme'],
    [{ preferences: { language: 'not a language' } }, 'preferences.language'],
    [{ preferences: null }, 'preferences'],
    [{ name: '   ' }, 'name'],
    [{ name: 'x'.repeat(201) }, 'name'],
    [{ name: { $set: 'x' } }, 'name'],
  ])('refuses %j by the name of the field', async (body, path) => {
    const caller = await api.person();
    const before = await (await caller.get('/v1/me')).json();
    expect(await problemOf(await caller.patch('/v1/me', body))).toMatchObject({
      code: 'validation_failed',
      errors: [{ path }],
    });
    expect(await (await caller.get('/v1/me')).json()).toEqual(before);
  });

  it('is refused to a deleted account, and changes nothing of it', async () => {
    const caller = await api.person({ name: 'Kept' });
    await caller.get('/v1/me');
    await caller.delete('/v1/me');
    expect(await problemOf(await caller.patch('/v1/me', { name: 'Late' }))).toMatchObject({ code: 'account_deleted' });
    expect(await userOf(caller)).toMatchObject({ name: 'Kept', isDeleted: true });
  });
});

describe('DELETE /v1/me', () => {
  it('answers 204 once, and from then on every request is refused', async () => {
    const caller = await api.person();
    await caller.get('/v1/me');
    const response = await caller.delete('/v1/me');
    expect([response.status, await response.text()]).toEqual([204, '']);
    for (const request of [
      () => caller.get('/v1/me'),
      () => caller.delete('/v1/me'),
      () => caller.get('/v1/quota'),
      () => caller.post('/v1/generations', IMAGE),
    ]) {
      expect(await problemOf(await request())).toMatchObject({ status: 403, code: 'account_deleted' });
    }
  });

  it('deletes once when many ask at the same time, with one line in the audit trail that names who did it', async () => {
    const caller = await api.person();
    await caller.get('/v1/me');
    const answers = await Promise.all(Array.from({ length: 10 }, () => caller.delete('/v1/me')));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([204, ...Array(9).fill(403)]);
    const user = await userOf(caller);
    if (!user) throw new Error('A deleted user is kept');
    await settle(store, [user._id]);
    const lines = await store.models.AuditEntry.find({ 'subject.id': user._id }).lean();
    expect(lines).toMatchObject([{ action: 'user.deleted', actor: { kind: 'user', id: caller.clerkUserId } }]);
  });

  it('cancels and refunds what waits, and lets what is being processed run on', async () => {
    const caller = await api.person();
    await caller.post('/v1/generations', { ...IMAGE, count: 3 });
    const claimed = await claim(api.ctx, { workerId: 'w', leaseSeconds: 60 });
    if (!claimed) throw new Error('One was just made');
    await caller.post('/v1/generations', { ...IMAGE, count: 2 });
    await caller.post('/v1/generations', IMAGE);
    await caller.delete('/v1/me');
    await sweep(api.ctx, 0);
    await sweep(api.ctx, 0);
    const generations = await store.models.ImageGeneration.find({ userId: claimed.userId }).sort({ _id: 1 }).lean();
    expect(generations.map(({ status }) => status)).toEqual(['processing', 'cancelled', 'cancelled']);
    expect(await userOf(caller)).toMatchObject({ monthlyUsage: 3 });
    const outputImages = [1, 2, 3].map((n) => ({ url: `/images/${n}.png`, filename: `${n}.png`, size: 1 }));
    await complete(api.ctx, claimed._id, claimed.lease.token, { outputImages });
    await sweep(api.ctx, 0);
    expect(await userOf(caller)).toMatchObject({ totalImagesGenerated: 3 });
    expect((await verifyLedger(store)).violations).toEqual([]);
    expect(await claim(api.ctx, { workerId: 'w', leaseSeconds: 60 })).toBeNull();
  });

  it('leaves alone what was asked for after a restoration that came before the settlement', async () => {
    const caller = await api.person();
    await caller.post('/v1/generations', IMAGE);
    await caller.delete('/v1/me');
    store.clock.advance(1000);
    await restoreUser(store, { clerkUserId: caller.clerkUserId }, { kind: 'webhook' });
    const { id } = await (await caller.post('/v1/generations', IMAGE)).json();
    await sweep(api.ctx, 0);
    await sweep(api.ctx, 0);
    const { data } = await (await caller.get('/v1/generations')).json();
    expect(data).toMatchObject([{ id, status: 'pending' }, { status: 'cancelled' }]);
    expect(await (await caller.get('/v1/quota')).json()).toMatchObject({ used: 1 });
  });

  it('takes somebody who was never seen before', async () => {
    const caller = await api.person();
    expect((await caller.delete('/v1/me')).status).toBe(204);
    expect(await problemOf(await caller.get('/v1/me'))).toMatchObject({ code: 'account_deleted' });
  });
});
