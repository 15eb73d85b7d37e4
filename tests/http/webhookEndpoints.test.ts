import { Types } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { WEBHOOK_EVENTS, WEBHOOK_LIMITS } from '@/domain/webhooks.ts';
import { auditOf, endpointsOf } from '@/models/collections.ts';
import { claimDelivery, endAttempt } from '@/repositories/webhookDeliveries.ts';
import { disableEndpoint, removeDeletedEndpoints } from '@/repositories/webhookEndpoints.ts';
import { deliverySchema, endpointSchema, endpointWithSecretSchema } from '@/routes/webhookRepresentations.ts';
import { sweep } from '@/workflows/sweep.ts';
import { problemOf } from '../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
const WANTED = { url: 'https://hooks.example.com/artifex?key=abc', events: ['generation.completed'] };
const UNKNOWN_ID = '65f000000000000000000000';
const PATH = '/v1/webhook-endpoints';

let api: TestApplication;
beforeAll(async () => {
  api = await testApplication(store);
});

async function create(caller: Caller, body: object = WANTED) {
  const response = await caller.post(PATH, body);
  expect(response.status).toBe(201);
  return endpointWithSecretSchema.parse(await response.json());
}

async function codeOf(response: Response): Promise<[number, string]> {
  return [response.status, (await problemOf(response)).code];
}

async function read(caller: Caller, id: string) {
  return endpointSchema.parse(await (await caller.get(`${PATH}/${id}`)).json());
}

async function ping(caller: Caller, id: string) {
  const response = await caller.post(`${PATH}/${id}/ping`);
  expect(response.status).toBe(202);
  return deliverySchema.parse(await response.json());
}

/** Pings, and ends what is due as if its receiver had answered that. */
async function pinged(caller: Caller, id: string, status: 'succeeded' | 'failed') {
  const { id: deliveryId } = await ping(caller, id);
  const claimed = await claimDelivery(store, []);
  if (claimed?._id.toHexString() !== deliveryId) throw new Error('Nothing else is due');
  const result = status === 'succeeded' ? { lastStatus: 204 } : ({ lastStatus: 500, lastError: 'status' } as const);
  await endAttempt(store, claimed, result, { status });
  return deliveryId;
}

const page = z.object({ data: z.array(z.looseObject({ id: z.string() })), nextCursor: z.string().nullable() });

async function allPages(caller: Caller, path: string, limit: number): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const response = await caller.get(`${path}${path.includes('?') ? '&' : '?'}limit=${limit}${query}`);
    expect(response.status).toBe(200);
    const { data, nextCursor } = page.parse(await response.json());
    expect(data.length).toBeLessThanOrEqual(limit);
    ids.push(...data.map(({ id }) => id));
    cursor = nextCursor;
  } while (cursor !== null);
  return ids;
}

describe('POST /v1/webhook-endpoints', () => {
  it('answers 201 with the address of the endpoint, and with a secret that no other answer shows', async () => {
    const caller = await api.person();
    const response = await caller.post(PATH, WANTED);
    const { secret, ...endpoint } = endpointWithSecretSchema.parse(await response.json());
    expect(response.headers.get('Location')).toBe(`${PATH}/${endpoint.id}`);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(endpoint).toMatchObject({ ...WANTED, enabled: true, disabledReason: null, disabledAt: null });
    expect(await (await caller.get(`${PATH}/${endpoint.id}`)).json()).toEqual(endpoint);
    expect(await (await caller.get(PATH)).json()).toEqual({ data: [endpoint], nextCursor: null });
  });

  it('stores neither address nor secret in the clear', async () => {
    const { id, secret } = await create(await api.person(), {
      ...WANTED,
      url: 'https://hooks.example.com/in-the-clear',
    });
    const raw = store.connection.db?.collection('webhookendpoints');
    const stored = JSON.stringify((await raw?.find().toArray())?.filter(({ _id }) => String(_id) === id));
    expect(stored).toContain('enc.1.');
    for (const word of ['in-the-clear', secret]) expect(stored).not.toContain(word);
  });

  it('makes ten of fifty that are asked for at once', async () => {
    const caller = await api.person();
    await caller.get('/v1/me');
    const asked = Array.from({ length: 50 }, () => caller.post(PATH, WANTED));
    const answers = await Promise.all(asked);
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(WEBHOOK_LIMITS.endpointsPerUser);
    expect(statuses.filter((status) => status === 409)).toHaveLength(50 - WEBHOOK_LIMITS.endpointsPerUser);
    const ids = await allPages(caller, PATH, 3);
    expect(new Set(ids).size).toBe(WEBHOOK_LIMITS.endpointsPerUser);
    await caller.delete(`${PATH}/${ids[4]}`);
    await create(caller);
    expect(await codeOf(await caller.post(PATH, WANTED))).toEqual([409, 'conflict']);
  });

  it.each([
    'http://hooks.example.com/',
    'http://93.184.216.34/',
    'ftp://hooks.example.com/',
    'https://localhost/',
    'https://hooks.localhost/',
    'https://printer.local/',
    'https://metadata.google.internal/',
    'https://intranet/',
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://10.0.0.1/',
    'https://172.31.255.255/',
    'https://192.168.1.1/',
    'https://169.254.169.254/latest/meta-data/',
    'https://100.64.0.1/',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://user:password@hooks.example.com/',
    'https://hooks.example.com/#part',
    `https://hooks.example.com/${'x'.repeat(2048)}`,
    'hooks.example.com',
    '',
  ])('refuses %s', async (url) => {
    const caller = await api.person();
    const response = await caller.post(PATH, { ...WANTED, url });
    const problem = await problemOf(response);
    expect([response.status, problem.code]).toEqual([400, 'validation_failed']);
    expect(problem.errors?.map(({ path }) => path)).toEqual(['url']);
    const { id } = await create(caller);
    expect(await codeOf(await caller.patch(`${PATH}/${id}`, { url }))).toEqual([400, 'validation_failed']);
    expect((await read(caller, id)).url).toBe(WANTED.url);
  });

  it.each([
    ['no body', undefined],
    ['no address', { events: WANTED.events }],
    ['no events', { url: WANTED.url }],
    ['an empty list of events', { ...WANTED, events: [] }],
    ['an event twice', { ...WANTED, events: ['generation.failed', 'generation.failed'] }],
    ['an event that there is not', { ...WANTED, events: ['generation.begun'] }],
    ['the event that only a ping makes', { ...WANTED, events: ['webhook.ping'] }],
    ['a secret of its own', { ...WANTED, secret: 'whsec_AAAA' }],
    ['another user', { ...WANTED, userId: UNKNOWN_ID }],
    ['an operator', { ...WANTED, url: { $gt: '' } }],
    ['a word for enabled', { ...WANTED, enabled: 'yes' }],
  ])('refuses %s', async (_, body) => {
    const [status] = await codeOf(await (await api.person()).post(PATH, body));
    expect(status).toBe(400);
  });
});

describe('somebody else', () => {
  it('finds an endpoint under none of its routes, and changes nothing', async () => {
    const owner = await api.person();
    const { id } = await create(owner);
    const deliveryId = await pinged(owner, id, 'failed');
    const foreign = await api.person();
    const own = await create(foreign);
    const endpoint = `${PATH}/${id}`;
    const answers = [
      await foreign.get(endpoint),
      await foreign.patch(endpoint, { enabled: false }),
      await foreign.delete(endpoint),
      await foreign.post(`${endpoint}/secret/rotate`),
      await foreign.post(`${endpoint}/ping`),
      await foreign.get(`${endpoint}/deliveries`),
      await foreign.post(`${endpoint}/deliveries/${deliveryId}/replay`),
      // A delivery is found by its own endpoint alone.
      await foreign.post(`${PATH}/${own.id}/deliveries/${deliveryId}/replay`),
      await owner.get(`${PATH}/${UNKNOWN_ID}`),
    ];
    for (const answer of answers) expect(await codeOf(answer)).toEqual([404, 'not_found']);
    expect(await allPages(foreign, PATH, 100)).toEqual([own.id]);
    expect(await read(owner, id)).toMatchObject({ enabled: true, url: WANTED.url });
  });

  it('is nobody without a token', async () => {
    const { id } = await create(await api.person());
    for (const path of [PATH, `${PATH}/${id}`, `${PATH}/${id}/deliveries`]) {
      expect(await codeOf(await api.request(path))).toEqual([401, 'unauthenticated']);
    }
  });
});

describe('PATCH /v1/webhook-endpoints/{id}', () => {
  it('changes what is given, and keeps the rest', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    const disabled = await (await caller.patch(`${PATH}/${id}`, { enabled: false })).json();
    expect(disabled).toMatchObject({
      ...WANTED,
      enabled: false,
      disabledReason: 'owner',
      disabledAt: expect.any(String),
    });
    const changes = { url: 'https://hooks.example.com/other', events: [...WEBHOOK_EVENTS] };
    expect(await (await caller.patch(`${PATH}/${id}`, changes)).json()).toMatchObject({ ...changes, enabled: false });
    expect(await (await caller.patch(`${PATH}/${id}`, { enabled: true })).json()).toMatchObject({
      ...changes,
      enabled: true,
      disabledReason: null,
      disabledAt: null,
    });
  });

  it('enables what its receiver has disabled', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    const stored = await store.models.WebhookEndpoint.findById(id).orFail();
    await disableEndpoint(store, stored._id, 'gone');
    expect(await read(caller, id)).toMatchObject({ enabled: false, disabledReason: 'gone' });
    expect(await codeOf(await caller.post(`${PATH}/${id}/ping`))).toEqual([409, 'conflict']);
    expect((await caller.patch(`${PATH}/${id}`, { enabled: true })).status).toBe(200);
    expect(await read(caller, id)).toMatchObject({ enabled: true, disabledReason: null });
  });

  it.each([{ secret: 'whsec_AAAA' }, { id: UNKNOWN_ID }, { failedDeliveries: [] }, { disabledReason: null }])(
    'refuses %j',
    async (changes) => {
      const caller = await api.person();
      const { id } = await create(caller);
      expect(await codeOf(await caller.patch(`${PATH}/${id}`, changes))).toEqual([400, 'validation_failed']);
    },
  );
});

describe('DELETE /v1/webhook-endpoints/{id}', () => {
  it('is 204 once, and then it is not found', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    expect((await caller.delete(`${PATH}/${id}`)).status).toBe(204);
    expect(await codeOf(await caller.delete(`${PATH}/${id}`))).toEqual([404, 'not_found']);
    expect(await codeOf(await caller.get(`${PATH}/${id}`))).toEqual([404, 'not_found']);
    expect(await allPages(caller, PATH, 10)).toEqual([]);
  });
});

describe('the secret', () => {
  it('is replaced three times a day at most, so that signatures stay few', async () => {
    const caller = await api.person();
    const { id, secret } = await create(caller);
    const secrets = [secret];
    for (let round = 0; round < WEBHOOK_LIMITS.maxOldSecrets; round += 1) {
      const rotated = await caller.post(`${PATH}/${id}/secret/rotate`);
      expect(rotated.status).toBe(200);
      secrets.push(endpointWithSecretSchema.parse(await rotated.json()).secret);
    }
    expect(new Set(secrets).size).toBe(secrets.length);
    expect(await codeOf(await caller.post(`${PATH}/${id}/secret/rotate`))).toEqual([409, 'conflict']);
    store.clock.advance(WEBHOOK_LIMITS.oldSecretMs);
    expect((await caller.post(`${PATH}/${id}/secret/rotate`)).status).toBe(200);
  });

  it('is the last one of those that are made at once', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    const rotate = () => caller.post(`${PATH}/${id}/secret/rotate`);
    const answers = await Promise.all([rotate(), rotate(), rotate(), rotate()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 409]);
    const stored = await store.models.WebhookEndpoint.findById(id).orFail();
    expect(stored.secrets).toHaveLength(1 + WEBHOOK_LIMITS.maxOldSecrets);
  });
});

describe('a ping', () => {
  it('is one in ten seconds, however often it is asked for', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    const asked = await Promise.all(Array.from({ length: 8 }, () => ping(caller, id)));
    expect(new Set(asked.map(({ eventId }) => eventId)).size).toBe(1);
    expect(asked[0]).toMatchObject({ type: 'webhook.ping', status: 'pending', attempts: 0, lastStatus: null });
    store.clock.advance(WEBHOOK_LIMITS.pingEveryMs);
    expect((await ping(caller, id)).eventId).not.toBe(asked[0]?.eventId);
    expect(await allPages(caller, `${PATH}/${id}/deliveries`, 10)).toHaveLength(2);
    await store.models.WebhookDelivery.deleteMany({});
  });

  it('takes no body', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    expect(await codeOf(await caller.post(`${PATH}/${id}/ping`, { url: WANTED.url }))).toEqual([
      400,
      'validation_failed',
    ]);
  });
});

describe('deliveries', () => {
  it('are listed page by page, newest first, also those of one instant, and by status', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    const made: string[] = [];
    for (let round = 0; round < 7; round += 1) {
      store.clock.advance(WEBHOOK_LIMITS.pingEveryMs);
      made.push(await pinged(caller, id, round % 2 === 0 ? 'succeeded' : 'failed'));
    }
    const instant = store.clock.now();
    await store.models.WebhookDelivery.collection.updateMany({}, { $set: { createdAt: instant } });
    const deliveries = `${PATH}/${id}/deliveries`;
    expect(await allPages(caller, deliveries, 2)).toEqual(made.toReversed());
    const failed = made.filter((_, index) => index % 2 === 1).toReversed();
    expect(await allPages(caller, `${deliveries}?status=failed`, 2)).toEqual(failed);
    for (const query of ['?limit=0', '?limit=101', '?cursor=nonsense', '?status=late', '?type=a']) {
      expect(await codeOf(await caller.get(`${deliveries}${query}`))).toEqual([400, 'validation_failed']);
    }
  });

  it('are sent again with their id, once they have ended', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    store.clock.advance(WEBHOOK_LIMITS.pingEveryMs);
    const deliveryId = await pinged(caller, id, 'failed');
    const replay = () => caller.post(`${PATH}/${id}/deliveries/${deliveryId}/replay`);
    const answers = await Promise.all([replay(), replay(), replay()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409]);
    const [delivery] = await Promise.all(
      answers.filter(({ status }) => status === 202).map(async (each) => deliverySchema.parse(await each.json())),
    );
    expect(delivery).toMatchObject({ id: deliveryId, status: 'pending', attempts: 1, endedAt: null });
    const claimed = await claimDelivery(store, []);
    expect(claimed).toMatchObject({ eventId: delivery?.eventId, attempts: 2, tries: 1 });
    await store.models.WebhookDelivery.deleteMany({});
    expect(await codeOf(await replay())).toEqual([404, 'not_found']);
  });

  it('of a disabled endpoint are not sent again', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    store.clock.advance(WEBHOOK_LIMITS.pingEveryMs);
    const deliveryId = await pinged(caller, id, 'succeeded');
    await caller.patch(`${PATH}/${id}`, { enabled: false });
    const replayed = await caller.post(`${PATH}/${id}/deliveries/${deliveryId}/replay`);
    expect(await codeOf(replayed)).toEqual([409, 'conflict']);
  });
});

describe('the audit trail', () => {
  const trailOf = async (id: string) => {
    await sweep(api.ctx, 0);
    return auditOf(store)
      .find({ 'subject.id': new Types.ObjectId(id) })
      .sort({ at: 1 })
      .toArray();
  };

  it('tells who did what to an endpoint, and no secret', async () => {
    const caller = await api.person();
    const { id, secret } = await create(caller);
    const step = async (request: () => Promise<unknown>) => {
      store.clock.advance(1000);
      await request();
    };
    await step(() => caller.patch(`${PATH}/${id}`, { url: 'https://hooks.example.com/b?key=def', enabled: true }));
    await step(() => caller.post(`${PATH}/${id}/secret/rotate`));
    await step(() => disableEndpoint(store, new Types.ObjectId(id), 'failing'));
    await step(() => disableEndpoint(store, new Types.ObjectId(id), 'gone'));
    await step(() => caller.delete(`${PATH}/${id}`));
    const trail = await trailOf(id);
    const actor = { kind: 'user', id: caller.clerkUserId };
    expect(trail).toMatchObject([
      { action: 'webhook_endpoint.created', actor, detail: { events: ['generation.completed'], enabled: true } },
      { action: 'webhook_endpoint.changed', actor, detail: { url: 'another', enabled: true } },
      { action: 'webhook_endpoint.secret_rotated', actor },
      { action: 'webhook_endpoint.disabled', actor: { kind: 'job', id: 'courier' }, detail: { reason: 'failing' } },
      { action: 'webhook_endpoint.deleted', actor },
    ]);
    for (const word of [secret, 'key=', 'whsec_']) expect(JSON.stringify(trail)).not.toContain(word);
  });

  it('has what was refused in no line, and has every line before an endpoint is removed for good', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    await caller.patch(`${PATH}/${UNKNOWN_ID}`, { enabled: false });
    await caller.patch(`${PATH}/${id}`, { url: 'http://127.0.0.1/' });
    await caller.delete(`${PATH}/${id}`);
    store.clock.advance(1000);
    const stored = () => endpointsOf(store).findOne({ _id: new Types.ObjectId(id) });
    await removeDeletedEndpoints(store, store.clock.now());
    expect(await stored()).not.toBeNull();
    expect((await trailOf(id)).map(({ action }) => action)).toEqual([
      'webhook_endpoint.created',
      'webhook_endpoint.deleted',
    ]);
    await removeDeletedEndpoints(store, store.clock.now());
    expect(await stored()).toBeNull();
  });
});

describe('the owner of a deleted account', () => {
  it('is refused, and nothing more is sent', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    expect((await caller.delete('/v1/me')).status).toBe(204);
    for (const answer of [await caller.get(PATH), await caller.post(`${PATH}/${id}/ping`)]) {
      expect(await codeOf(answer)).toEqual([403, 'account_deleted']);
    }
  });
});
