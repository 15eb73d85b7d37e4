import { Types } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { readEnv } from '@/config/env.ts';
import { KEY_RETENTION_MS } from '@/domain/ledger.ts';
import { generationsOf, ledgerOf, usersOf } from '@/models/collections.ts';
import { deleteUser } from '@/repositories/accounts.ts';
import { settle } from '@/repositories/settlement.ts';
import { createService } from '@/runtimes/service.ts';
import { keptLog, problemOf } from '../support/api.ts';
import { type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';
import { temporaryFolder } from '../support/processes.ts';

const store = useDatabase();
let api: TestApplication;
beforeAll(async () => {
  api = await testApplication(store);
});

describe('GET /v1/me', () => {
  it('makes the user of a first request, free, from the claims of the token', async () => {
    const caller = await api.person({ email: 'new.user@example.com', name: 'New User' });
    const response = await caller.get('/v1/me');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{24}$/),
      clerkUserId: caller.clerkUserId,
      email: 'new.user@example.com',
      name: 'New User',
      subscriptionTier: 'free',
      quota: { tier: 'free', limit: 10, used: 0, remaining: 10, resetsAt: '2026-04-10T09:00:00.000Z' },
      totalImagesGenerated: 0,
      preferences: expect.objectContaining({ theme: 'system' }),
      settings: expect.objectContaining({ emailNotifications: true }),
      createdAt: '2026-03-10T09:00:00.000Z',
    });
  });

  it('takes in somebody whose name is longer than we keep, cut between two characters', async () => {
    const somebody = await api.person({ email: 'long@example.com', name: `${'n'.repeat(199)}😀${'n'.repeat(30)}` });
    const response = await somebody.get('/v1/me');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ name: `${'n'.repeat(199)}😀` });
  });

  it('makes one user of many first requests at once', async () => {
    const caller = await api.person();
    const answers = await Promise.all(Array.from({ length: 20 }, async () => (await caller.get('/v1/me')).json()));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
  });

  it('needs a session token', async () => {
    const response = await api.request('/v1/me');
    expect(response.headers.get('WWW-Authenticate')).toMatch(/^Bearer/);
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'unauthenticated' });
  });
});

describe('a deleted account', () => {
  it('is told so by every route of its own, and is charged nothing', async () => {
    const caller = await api.person();
    await caller.get('/v1/me');
    await store.models.User.updateOne({ clerkUserId: caller.clerkUserId }, { isDeleted: true });
    const answers = await Promise.all([
      caller.get('/v1/me'),
      caller.get('/v1/quota'),
      caller.get('/v1/quota/ledger'),
      caller.get('/v1/generations'),
      caller.post('/v1/quota/consume', { credits: 1 }),
      caller.post('/v1/generations', { type: 'text-to-image', prompt: 'A bay' }),
    ]);
    for (const answer of answers) {
      expect(await problemOf(answer)).toMatchObject({ status: 403, code: 'account_deleted' });
    }
    const user = await store.models.User.findOne({ clerkUserId: caller.clerkUserId, isDeleted: true }).orFail().lean();
    expect(user.monthlyUsage).toBe(0);
    expect(await generationsOf(store).countDocuments({ userId: user._id })).toBe(0);
  });
});

describe('an account that another process deletes', () => {
  const image = { type: 'text-to-image', prompt: 'A bay' };

  it('is refused by the very next request, whatever this process remembers', async () => {
    const caller = await api.person();
    const { id } = await (await caller.post('/v1/generations', image)).json();
    await caller.get(`/v1/generations/${id}`);
    await deleteUser(store, { clerkUserId: caller.clerkUserId }, { kind: 'job', id: 'elsewhere' });
    const requests = [
      () => caller.get('/v1/generations'),
      () => caller.get(`/v1/generations/${id}`),
      () => caller.get(`/v1/generations/${new Types.ObjectId()}`),
      () => caller.post(`/v1/generations/${id}/cancel`),
      () => caller.delete(`/v1/generations/${id}`),
    ];
    for (const request of requests) {
      expect(await problemOf(await request())).toMatchObject({ status: 403, code: 'account_deleted' });
    }
    expect(await generationsOf(store).findOne({ _id: new Types.ObjectId(String(id)) })).toMatchObject({
      status: 'pending',
      isDeleted: false,
    });
    // Reading the ledger settles the account, and that cancels what waits.
    expect(await problemOf(await caller.get('/v1/quota/ledger'))).toMatchObject({
      status: 403,
      code: 'account_deleted',
    });
  });

  it('is another one when it was removed for good and its Clerk id comes back', async () => {
    const caller = await api.person();
    const { id } = await (await caller.post('/v1/generations', image)).json();
    await caller.get('/v1/generations');
    await usersOf(store).deleteOne({ clerkUserId: caller.clerkUserId });
    expect(await (await caller.get('/v1/generations')).json()).toEqual({ data: [], nextCursor: null });
    expect(await problemOf(await caller.post(`/v1/generations/${id}/cancel`))).toMatchObject({ code: 'not_found' });
  });
});

describe('GET /v1/quota', () => {
  it('tells whether the credits would fit', async () => {
    const caller = await api.person();
    await caller.post('/v1/quota/consume', { credits: 8 });
    const fits = await caller.get('/v1/quota?credits=2');
    expect(await fits.json()).toEqual({
      allowed: true,
      credits: 2,
      tier: 'free',
      limit: 10,
      used: 8,
      remaining: 2,
      resetsAt: '2026-04-10T09:00:00.000Z',
    });
    expect(await (await caller.get('/v1/quota?credits=3')).json()).toMatchObject({ allowed: false, credits: 3 });
    expect(await (await caller.get('/v1/quota')).json()).toMatchObject({ allowed: true, credits: 1 });
  });

  it('is whole again when the period is over, though nothing has been written', async () => {
    const caller = await api.person();
    await caller.post('/v1/quota/consume', { credits: 10 });
    const before = store.clock.now();
    store.clock.advance(31 * 86_400_000);
    const quota = await (await caller.get('/v1/quota')).json();
    store.clock.set(before);
    expect(quota).toMatchObject({ used: 0, remaining: 10, resetsAt: '2026-05-10T09:00:00.000Z' });
  });

  it.each(['credits=0', 'credits=-1', 'credits=1.5', 'credits=1e3', 'credits=', 'credits[$gt]=1', 'credits=x'])(
    'refuses ?%s',
    async (search) => {
      const response = await (await api.person()).get(`/v1/quota?${search}`);
      expect(await problemOf(response)).toMatchObject({ status: 400, code: 'validation_failed' });
    },
  );
});

describe('POST /v1/quota/consume', () => {
  it('takes the credits and answers with the charge and the quota after it', async () => {
    const caller = await api.person();
    const response = await caller.post('/v1/quota/consume', { credits: 4, reason: 'upscaling elsewhere' });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      chargeId: expect.stringMatching(/^[0-9a-f]{24}$/),
      credits: 4,
      quota: expect.objectContaining({ used: 4, remaining: 6 }),
    });
  });

  it('takes them once under one key, and shows a repeat the quota as it is now', async () => {
    const caller = await api.person();
    const consume = () => caller.post('/v1/quota/consume', { credits: 3 }, { 'Idempotency-Key': 'k' });
    const first = await consume();
    await caller.post('/v1/quota/consume', { credits: 2 });
    const repeat = await consume();
    expect(repeat.headers.get('Idempotency-Replayed')).toBe('true');
    expect((await repeat.json()).chargeId).toBe((await first.json()).chargeId);
    expect(await (await caller.get('/v1/quota')).json()).toMatchObject({ used: 5 });
    // The ledger settles what is open; the key is then found there.
    await caller.get('/v1/quota/ledger');
    store.clock.advance(10 * 60_000);
    expect(await (await consume()).json()).toMatchObject({ credits: 3, quota: { used: 5 } });
  });

  it.each([
    {},
    { credits: 0 },
    { credits: -5 },
    { credits: 1.5 },
    { credits: '1' },
    { credits: null },
    { credits: { $gt: 0 } },
    { credits: 1, reason: '' },
    { credits: 1, reason: 'x'.repeat(501) },
    { credits: 1, reason: { $gt: '' } },
    { credits: 1, tier: 'pro' },
    { credits: 1, userId: 'another' },
  ])('refuses %j and takes nothing', async (body) => {
    const caller = await api.person();
    const response = await caller.post('/v1/quota/consume', body);
    expect(await problemOf(response)).toMatchObject({ status: 400, code: 'validation_failed' });
    expect(await store.models.User.exists({ clerkUserId: caller.clerkUserId })).toBeNull();
  });

  it('refuses more than the quota with what is left of it', async () => {
    const response = await (await api.person()).post('/v1/quota/consume', { credits: 11 });
    expect(await problemOf(response)).toMatchObject({
      status: 402,
      code: 'insufficient_quota',
      detail: 'Insufficient quota remaining',
      quota: { tier: 'free', limit: 10, used: 0, remaining: 10 },
    });
  });
});

describe('GET /v1/quota/ledger', () => {
  it('shows a charge as soon as it was answered, newest first, with what remained', async () => {
    const caller = await api.person();
    for (const credits of [1, 2, 3]) await caller.post('/v1/quota/consume', { credits });
    const { data, nextCursor } = await (await caller.get('/v1/quota/ledger')).json();
    expect(data).toMatchObject([
      { kind: 'charge', credits: 3, balance: 4 },
      { kind: 'charge', credits: 2, balance: 7 },
      { kind: 'charge', credits: 1, balance: 9 },
    ]);
    expect(nextCursor).toBeNull();
  });

  it('pages through entries that are added meanwhile, each once', async () => {
    const caller = await api.person();
    for (let index = 0; index < 5; index += 1) await caller.post('/v1/quota/consume', { credits: 1 });
    const first = await (await caller.get('/v1/quota/ledger?limit=2')).json();
    await caller.post('/v1/quota/consume', { credits: 1 });
    const second = await (await caller.get(`/v1/quota/ledger?limit=2&cursor=${first.nextCursor}`)).json();
    const third = await (await caller.get(`/v1/quota/ledger?limit=2&cursor=${second.nextCursor}`)).json();
    const balances = [first, second, third].flatMap(({ data }) =>
      data.map(({ balance }: { balance: number }) => balance),
    );
    expect(balances).toEqual([5, 6, 7, 8, 9]);
    expect(third.nextCursor).toBeNull();
  });

  it('shows what there is of an account that is damaged, and logs that', async () => {
    const caller = await api.person();
    await caller.post('/v1/quota/consume', { credits: 1 });
    await caller.get('/v1/quota/ledger');
    const { _id: userId } = await store.models.User.findOne({ clerkUserId: caller.clerkUserId }).orFail();
    const foreign = { kind: 'charge' as const, credits: 9, balance: 1, period: 1, at: store.clock.now() };
    await ledgerOf(store).insertOne({ _id: new Types.ObjectId(), userId, sequence: 2, ...foreign });
    await caller.post('/v1/quota/consume', { credits: 2 });
    const response = await caller.get('/v1/quota/ledger');
    expect(response.status).toBe(200);
    expect((await response.json()).data).toMatchObject([{ credits: 9 }, { credits: 1 }]);
    expect(api.lines).toContainEqual(
      expect.objectContaining({ level: 'error', error: 'LedgerConflictError', userId: userId.toHexString() }),
    );
  });

  it("shows nobody else's entries", async () => {
    const [a, b] = [await api.person(), await api.person()];
    await a.post('/v1/quota/consume', { credits: 1 });
    expect((await (await b.get('/v1/quota/ledger')).json()).data).toEqual([]);
  });
});

describe('GET /images/{name}', () => {
  it('opens without a token, in any page, for ever', async () => {
    api.pictures.set('abc.png', { bytes: new Uint8Array([1, 2, 3]), contentType: 'image/png' });
    const response = await api.request('/images/abc.png');
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Type')).toBe('image/png');
    expect(response.headers.get('Cache-Control')).toMatch(/immutable/);
    expect(response.headers.get('Cross-Origin-Resource-Policy')).toBe('cross-origin');
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([1, 2, 3]);
  });

  it('is not found by any other name', async () => {
    expect(await problemOf(await api.request('/images/other.png'))).toMatchObject({ status: 404, code: 'not_found' });
  });
});

describe('without a database', () => {
  it('every route that needs one answers 503 and the process lives', async () => {
    const folder = await temporaryFolder();
    const env = readEnv({ ARTIFEX_DATA_DIR: folder.path, NODE_ENV: 'test' });
    const mongodbUri = 'mongodb://127.0.0.1:9/artifex?serverSelectionTimeoutMS=100';
    const service = await createService({ env, mongodbUri, log: keptLog().log });
    for (const path of ['/readyz', '/v1/me', '/v1/quota', '/v1/generations']) {
      const response = await service.fetch(new Request(`http://localhost${path}`));
      expect(await problemOf(response)).toMatchObject({ status: 503, code: 'unavailable' });
    }
    expect((await service.fetch(new Request('http://localhost/healthz'))).status).toBe(200);
    await service.stop();
    await folder.remove();
  });
});

describe('a deleted account that repeats a key', () => {
  it.each([
    ['while the charge is open', async () => {}],
    ['when it is settled', (userId: Types.ObjectId) => settle(store, [userId])],
    ['when the account has forgotten it', forget],
  ])('is refused %s', async (_, passTime) => {
    const caller = await api.person();
    const image = { type: 'text-to-image', prompt: 'A bay' };
    const create = () => caller.post('/v1/generations', image, { 'Idempotency-Key': 'g' });
    const consume = () => caller.post('/v1/quota/consume', { credits: 1 }, { 'Idempotency-Key': 'c' });
    expect([(await create()).status, (await consume()).status]).toEqual([201, 200]);
    const { _id } = await store.models.User.findOne({ clerkUserId: caller.clerkUserId }).orFail();
    await passTime(_id);
    await store.models.User.updateOne({ _id }, { isDeleted: true });
    for (const answer of [await create(), await consume()]) {
      expect(await problemOf(answer)).toMatchObject({ status: 403, code: 'account_deleted' });
    }
  });

  async function forget(userId: Types.ObjectId): Promise<void> {
    await settle(store, [userId]);
    store.clock.advance(KEY_RETENTION_MS);
    await settle(store, [userId]);
  }
});
