import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ledgerOf, rateLimitsOf } from '@/models/collections.ts';
import { settle } from '@/repositories/settlement.ts';
import { problemOf } from '../support/api.ts';
import { type Caller, testApplication } from '../support/application.ts';
import { behindGate } from '../support/commandGate.ts';
import { commandsDuring } from '../support/commands.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
const IMAGE = { type: 'text-to-image', prompt: 'A bay' };
const LIMIT = 5;

/** Windows follow the machine's clock, so that is what the tests move. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);

async function limited(quotaPerMinute = LIMIT) {
  return testApplication(store, { quotaPerMinute });
}

async function useUp(caller: Caller, times = LIMIT): Promise<void> {
  for (let time = 0; time < times; time += 1) expect((await caller.get('/v1/quota')).status).toBe(200);
}

const fieldsOf = ({ headers }: Response) => [headers.get('RateLimit-Policy'), headers.get('RateLimit')];

describe('an answer of a quota route', () => {
  it('tells the policy, what remains of it and when it begins anew', async () => {
    const caller = await (await limited()).person();
    const policy = '"quota";q=5;w=60';
    expect(fieldsOf(await caller.get('/v1/quota'))).toEqual([policy, '"quota";r=4;t=60']);
    pass(20.5);
    expect(fieldsOf(await caller.post('/v1/quota/consume', { credits: 1 }))).toEqual([policy, '"quota";r=3;t=40']);
    expect(fieldsOf(await caller.get('/v1/quota/ledger'))).toEqual([policy, '"quota";r=2;t=40']);
    expect(fieldsOf(await caller.post('/v1/generations', IMAGE))).toEqual([policy, '"quota";r=1;t=40']);
  });

  it('tells so also where it is a refusal of another kind', async () => {
    const caller = await (await limited()).person();
    const refusals = [
      [await caller.post('/v1/quota/consume', { credits: 11 }), 402],
      [await caller.post('/v1/quota/consume', { credits: -1 }), 400],
      [await caller.raw('/v1/generations', '{', 'application/json'), 400],
    ] as const;
    for (const [index, [response, status]] of refusals.entries()) {
      expect([response.status, fieldsOf(response)[1]]).toEqual([status, `"quota";r=${4 - index};t=60`]);
    }
  });

  it('is counted for a deleted account too', async () => {
    const caller = await (await limited()).person();
    await caller.delete('/v1/me');
    const response = await caller.get('/v1/quota');
    expect(await problemOf(response)).toMatchObject({ code: 'account_deleted' });
    expect(fieldsOf(response)[1]).toBe('"quota";r=4;t=60');
  });
});

describe('over the limit', () => {
  it.each([
    ['GET /v1/quota', (caller: Caller) => caller.get('/v1/quota')],
    ['GET /v1/quota/ledger', (caller: Caller) => caller.get('/v1/quota/ledger')],
    ['POST /v1/quota/consume', (caller: Caller) => caller.post('/v1/quota/consume', { credits: 1 })],
    ['POST /v1/generations', (caller: Caller) => caller.post('/v1/generations', IMAGE)],
  ])('%s is 429 with Retry-After, whether this process knew it before or not', async (_, ask) => {
    const caller = await (await limited()).person();
    await useUp(caller);
    pass(10);
    for (const response of [await ask(caller), await ask(caller)]) {
      expect(response.headers.get('Retry-After')).toBe('50');
      expect(fieldsOf(response)).toEqual(['"quota";q=5;w=60', '"quota";r=0;t=50']);
      expect(response.headers.get('X-Request-Id')).not.toBeNull();
      expect(await problemOf(response)).toEqual({
        type: '/docs#rate_limited',
        title: 'Too many requests',
        status: 429,
        detail: 'Too many requests. Try again in 50 s.',
        instance: expect.stringMatching(/^\/v1\//),
        code: 'rate_limited',
      });
    }
  });

  it('nothing is charged, and the key of a refused request may be used again', async () => {
    const api = await limited();
    const caller = await api.person();
    await useUp(caller);
    const create = () => caller.post('/v1/generations', IMAGE, { 'Idempotency-Key': 'k' });
    const user = await store.models.User.findOne({ clerkUserId: caller.clerkUserId }).orFail();
    const commands = await commandsDuring(store.connection, async () => {
      expect((await create()).status).toBe(429);
    });
    expect(commands).toEqual(['findAndModify']);
    await settle(store, [user._id]);
    expect(await ledgerOf(store).countDocuments({ userId: user._id })).toBe(0);
    pass(60);
    const [first, repeat] = [await create(), await create()];
    expect([first.status, first.headers.get('Idempotency-Replayed')]).toEqual([201, null]);
    expect([repeat.status, repeat.headers.get('Idempotency-Replayed')]).toEqual([201, 'true']);
  });

  it('a person who is known to have nothing left costs the database nothing more', async () => {
    const caller = await (await limited()).person();
    await useUp(caller);
    expect((await caller.get('/v1/quota')).status).toBe(429);
    const commands = await commandsDuring(store.connection, async () => {
      for (let time = 0; time < 20; time += 1) expect((await caller.get('/v1/quota')).status).toBe(429);
    });
    expect(commands).toEqual([]);
  });

  it('everybody else, and every other route, goes on', async () => {
    const api = await limited();
    const [caller, other] = [await api.person(), await api.person()];
    const { id } = await (await caller.post('/v1/generations', IMAGE)).json();
    await useUp(caller, LIMIT - 1);
    expect((await caller.get('/v1/quota')).status).toBe(429);
    expect((await other.get('/v1/quota')).status).toBe(200);
    for (const response of [
      await caller.get('/v1/me'),
      await caller.get('/v1/generations'),
      await caller.get(`/v1/generations/${id}`),
      await caller.post(`/v1/generations/${id}/cancel`),
    ]) {
      expect([response.status, ...fieldsOf(response)]).toEqual([200, null, null]);
    }
  });
});

describe('a new window', () => {
  it('begins with the first request after the last one has ended, by one command', async () => {
    const caller = await (await limited()).person();
    await useUp(caller);
    pass(59.9);
    expect((await caller.get('/v1/quota')).status).toBe(429);
    pass(0.1);
    const commands = await commandsDuring(store.connection, async () => {
      expect(fieldsOf(await caller.get('/v1/quota'))[1]).toBe('"quota";r=4;t=60');
    });
    expect(commands.toSorted()).toEqual(['find', 'findAndModify']);
  });
});

describe('processes that share a database', () => {
  it('share the limit, also when all ask at once', async () => {
    const [one, two] = [await limited(20), await limited(20)];
    const caller = await one.person();
    const token = await one.issuer.sign({ sub: caller.clerkUserId });
    // The second process trusts another issuer; it is the person that counts.
    const elsewhere = await two.issuer.sign({ sub: caller.clerkUserId });
    const ask = (api: typeof one, bearer: string) =>
      api.request('/v1/quota', { headers: { Authorization: `Bearer ${bearer}` } });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? ask(one, token) : ask(two, elsewhere))),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(40);
  });

  it('have the indexes of the counters before the first request, and let the database remove old ones', async () => {
    const indexes = await rateLimitsOf(store).indexes();
    expect(indexes).toContainEqual(expect.objectContaining({ key: { key: 1 }, unique: true }));
    expect(indexes).toContainEqual(expect.objectContaining({ key: { expire: 1 }, expireAfterSeconds: 0 }));
  });
});

describe('without the shared count', () => {
  it.each([
    ['when the database does not answer in time', () => new Promise<never>(() => {})],
    ['when the database refuses it', () => Promise.reject(new Error('no'))],
  ])('each process counts by itself %s', async (_, fate) => {
    const api = await testApplication(store, { quotaPerMinute: LIMIT, limiter: { patienceMs: 20 } });
    const caller = await api.person();
    await caller.get('/v1/me');
    const statuses = await behindGate(
      (command) => (command.collection === 'ratelimits' ? fate() : command.send()),
      async () => {
        const answers: number[] = [];
        for (let time = 0; time < LIMIT + 2; time += 1) answers.push((await caller.get('/v1/quota')).status);
        return answers;
      },
    );
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
  });
});
