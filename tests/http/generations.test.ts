import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { generationSchema } from '@/routes/representations.ts';
import { claim } from '@/workflows/claim.ts';
import { complete } from '@/workflows/endGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { problemOf } from '../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
const IMAGE = { type: 'text-to-image', prompt: 'A quiet bay' };
const UNKNOWN_ID = '65f000000000000000000000';

let api: TestApplication;
beforeAll(async () => {
  api = await testApplication(store);
});

async function create(caller: Caller, body: unknown = IMAGE, headers = {}): Promise<z.output<typeof generationSchema>> {
  const response = await caller.post('/v1/generations', body, headers);
  expect(response.status).toBe(201);
  return generationSchema.parse(await response.json());
}

async function quotaOf(caller: Caller): Promise<{ used: number; remaining: number }> {
  return (await caller.get('/v1/quota')).json();
}

async function statusAndId(response: Response): Promise<[number, string]> {
  return [response.status, z.object({ id: z.string() }).parse(await response.json()).id];
}

describe('POST /v1/generations', () => {
  it('charges and answers 201 with the pending generation and its address', async () => {
    const caller = await api.person();
    const response = await caller.post('/v1/generations', { ...IMAGE, quality: 'hd', count: 2, aspectRatio: '16:9' });
    const generation = generationSchema.parse(await response.json());
    expect(response.status).toBe(201);
    expect(response.headers.get('Location')).toBe(`/v1/generations/${generation.id}`);
    expect(generation).toMatchObject({ status: 'pending', credits: 4, count: 2, quality: 'hd', outputImages: [] });
    expect(await quotaOf(caller)).toMatchObject({ used: 4, remaining: 6 });
  });

  it('fills in what is left out', async () => {
    expect(await create(await api.person())).toMatchObject({
      style: 'realistic',
      aspectRatio: '1:1',
      quality: 'standard',
      model: 'default',
      count: 1,
      credits: 1,
      negativePrompt: null,
    });
  });

  it('answers 402 with the quota when the credits do not fit, and takes none', async () => {
    const caller = await api.person();
    await caller.post('/v1/quota/consume', { credits: 9 });
    const response = await caller.post('/v1/generations', { ...IMAGE, quality: 'hd' });
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status: 402, code: 'insufficient_quota', quota: { used: 9, remaining: 1 } });
    expect(await quotaOf(caller)).toMatchObject({ used: 9 });
    expect((await (await caller.get('/v1/generations')).json()).data).toEqual([]);
  });

  it('keeps a prompt word for word, whatever it looks like', async () => {
    const caller = await api.person();
    for (const prompt of ['$where', '$$ROOT.$a', '{"$gt":""}', 'ünïcödé 💡', 'x'.repeat(4000)]) {
      const { id } = await create(caller, { ...IMAGE, prompt });
      expect((await (await caller.get(`/v1/generations/${id}`)).json()).prompt).toBe(prompt);
    }
  });
});

describe('a text that is measured', () => {
  it('has as many characters as people count, of whatever plane', async () => {
    const caller = await api.person();
    const fits = { ...IMAGE, prompt: '😀'.repeat(4000), negativePrompt: '𝔸'.repeat(2000) };
    expect((await caller.post('/v1/generations', fits)).status).toBe(201);
    const over = await caller.post('/v1/generations', { ...IMAGE, prompt: '😀'.repeat(4001) });
    expect(over.status).toBe(400);
    expect(await over.text()).not.toContain('😀');
  });

  it('may write the scheme of its source in capitals', async () => {
    const caller = await api.person();
    const request = { ...IMAGE, type: 'image-to-image', sourceImageUrl: 'HTTPS://example.com/a.png' };
    expect((await caller.post('/v1/generations', request)).status).toBe(201);
  });
});

describe('an idempotency key', () => {
  it('gives 50 requests at once one generation, one charge and one id', async () => {
    const caller = await api.person();
    const answers = await Promise.all(
      Array.from({ length: 50 }, async () =>
        statusAndId(await caller.post('/v1/generations', IMAGE, { 'Idempotency-Key': 'fifty' })),
      ),
    );
    expect(new Set(answers.map(([status, id]) => `${status} ${id}`)).size).toBe(1);
    expect(await quotaOf(caller)).toMatchObject({ used: 1 });
    expect((await (await caller.get('/v1/generations')).json()).data).toHaveLength(1);
  });

  it('answers a repeat with the same status and resource, as it is now, and says so', async () => {
    const caller = await api.person();
    const key = { 'Idempotency-Key': 'as-it-is-now' };
    const first = await caller.post('/v1/generations', IMAGE, key);
    expect(first.headers.get('Idempotency-Replayed')).toBeNull();
    const [, id] = await statusAndId(first);
    await caller.post(`/v1/generations/${id}/cancel`);
    const repeat = await caller.post('/v1/generations', IMAGE, key);
    expect(repeat.status).toBe(201);
    expect(repeat.headers.get('Idempotency-Replayed')).toBe('true');
    expect(repeat.headers.get('Location')).toBe(`/v1/generations/${id}`);
    expect(await repeat.json()).toMatchObject({ id, status: 'cancelled' });
  });

  it('is remembered when it is settled, and when the account has forgotten it', async () => {
    const caller = await api.person();
    const key = { 'Idempotency-Key': 'for ever' };
    const [, id] = await statusAndId(await caller.post('/v1/generations', IMAGE, key));
    for (const minutes of [0, 1, 10, 60 * 24 * 400]) {
      const before = store.clock.now();
      store.clock.advance(minutes * 60_000);
      await sweep(api.ctx, 0);
      const repeat = await caller.post('/v1/generations', IMAGE, key);
      expect(await statusAndId(repeat)).toEqual([201, id]);
      store.clock.set(before);
    }
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  });

  it('answers with its generation also when the quota is used up', async () => {
    const caller = await api.person();
    const key = { 'Idempotency-Key': 'paid' };
    const [, id] = await statusAndId(await caller.post('/v1/generations', { ...IMAGE, count: 4 }, key));
    await caller.post('/v1/quota/consume', { credits: 6 });
    expect(await statusAndId(await caller.post('/v1/generations', { ...IMAGE, count: 4 }, key))).toEqual([201, id]);
  });

  it('takes a default that is left out and one that is sent for the same request', async () => {
    const caller = await api.person();
    const key = { 'Idempotency-Key': 'defaults' };
    const first = await (await caller.post('/v1/generations', IMAGE, key)).json();
    const { style, aspectRatio, quality, model, count } = first;
    const repeat = await caller.post('/v1/generations', { ...IMAGE, style, aspectRatio, quality, model, count }, key);
    expect(repeat.status).toBe(201);
    expect(await repeat.json()).toMatchObject({ id: first.id });
    expect((await caller.post('/v1/generations', { ...IMAGE, quality: 'hd' }, key)).status).toBe(422);
  });

  it('refuses another body, and another route, also long after', async () => {
    const caller = await api.person();
    const key = { 'Idempotency-Key': 'one thing' };
    await create(caller, IMAGE, key);
    for (const settled of [false, true]) {
      if (settled) await sweep(api.ctx, 0);
      const other = await caller.post('/v1/generations', { ...IMAGE, prompt: 'Another bay' }, key);
      expect(await problemOf(other)).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
      const route = await caller.post('/v1/quota/consume', { credits: 1 }, key);
      expect(await problemOf(route)).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
    }
    expect(await quotaOf(caller)).toMatchObject({ used: 1 });
  });

  it('does not remember a refusal', async () => {
    const caller = await api.person();
    const key = { 'Idempotency-Key': 'refused' };
    const spent = await caller.post('/v1/quota/consume', { credits: 10 });
    expect(spent.status).toBe(200);
    expect((await caller.post('/v1/generations', IMAGE, key)).status).toBe(402);
    const before = store.clock.now();
    store.clock.advance(40 * 86_400_000);
    const later = await caller.post('/v1/generations', IMAGE, key);
    store.clock.set(before);
    expect(later.status).toBe(201);
    expect(later.headers.get('Idempotency-Replayed')).toBeNull();
  });

  it('belongs to one user', async () => {
    const [a, b] = [await api.person(), await api.person()];
    const key = { 'Idempotency-Key': 'shared' };
    expect((await create(a, IMAGE, key)).id).not.toBe((await create(b, IMAGE, key)).id);
  });

  it.each(['', 'x'.repeat(256), 'tab\there', 'ümlaut'])('of a wrong form (%j) is refused', async (key) => {
    const caller = await api.person();
    const response = await caller.post('/v1/generations', IMAGE, { 'Idempotency-Key': key });
    expect(await problemOf(response)).toMatchObject({ status: 400, code: 'validation_failed' });
  });
});

describe('bad input', () => {
  const wrong: [string, unknown][] = [
    ...['type', 'prompt', 'negativePrompt', 'style', 'aspectRatio', 'quality', 'model', 'sourceImageUrl'].flatMap(
      (field): [string, unknown][] =>
        [7, null, true, [], {}, { $gt: '' }, ['a'], { $ne: null }].map((value) => [field, value]),
    ),
    ...['1', 0, 5, -1, 1.5, null, [], {}, { $gt: 0 }, 1e30].map((value): [string, unknown] => ['count', value]),
    ['type', 'text-to-video'],
    ['prompt', ''],
    ['prompt', 'x'.repeat(4001)],
    ['negativePrompt', 'x'.repeat(2001)],
    ['style', ''],
    ['style', 'x'.repeat(65)],
    ['aspectRatio', '5:4'],
    ['quality', 'ultra'],
    ['model', ''],
    ['model', 'x'.repeat(65)],
    ['sourceImageUrl', 'http://example.com/a.png'],
    ['sourceImageUrl', 'javascript:alert(1)'],
    ['sourceImageUrl', 'file:///etc/passwd'],
    ['sourceImageUrl', 'no address'],
    ['credits', 0],
    ['status', 'completed'],
    ['userId', UNKNOWN_ID],
    ['charge', { credits: 0 }],
    ['metadata', {}],
    ['$where', '1'],
    ['__proto__', { polluted: true }],
    ['isDeleted', true],
  ];

  it.each(wrong)('%s = %j is refused by name, and nothing is written', async (field, value) => {
    const caller = await api.person();
    // Written out, since an object literal cannot hold a field named __proto__; the last of two fields counts.
    const body = `${JSON.stringify(IMAGE).slice(0, -1)},${JSON.stringify(field)}:${JSON.stringify(value)}}`;
    const response = await caller.raw('/v1/generations', body);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status: 400, code: 'validation_failed' });
    expect(problem['errors']).toContainEqual(expect.objectContaining({ path: field }));
    expect(await store.models.User.exists({ clerkUserId: caller.clerkUserId })).toBeNull();
  });

  it.each(['image-to-image', 'inpainting', 'outpainting', 'upscale', 'variation'])(
    '%s without a source image is refused',
    async (type) => {
      const caller = await api.person();
      const response = await caller.post('/v1/generations', { ...IMAGE, type });
      expect((await problemOf(response))['errors']).toEqual([expect.objectContaining({ path: 'sourceImageUrl' })]);
      const sourceImageUrl = 'https://example.com/source.png';
      expect((await create(caller, { ...IMAGE, type, sourceImageUrl })).type).toBe(type);
    },
  );

  it.each([
    ['{"type":', 'application/json', 400, 'malformed_json'],
    ['', 'application/json', 400, 'malformed_json'],
    ['[]', 'application/json', 400, 'validation_failed'],
    ['null', 'application/json', 400, 'validation_failed'],
    ['"text"', 'application/json', 400, 'validation_failed'],
    ['a=b', 'application/x-www-form-urlencoded', 415, 'unsupported_media_type'],
    [JSON.stringify(IMAGE), 'text/plain', 415, 'unsupported_media_type'],
    [JSON.stringify({ ...IMAGE, prompt: 'x'.repeat(2 * 1024 * 1024) }), 'application/json', 413, 'payload_too_large'],
  ])('the body %.20s as %s is %i %s', async (body, contentType, status, code) => {
    const caller = await api.person();
    const response = await caller.raw('/v1/generations', body, contentType);
    expect(await problemOf(response)).toMatchObject({ status, code });
    expect(await store.models.User.exists({ clerkUserId: caller.clerkUserId })).toBeNull();
  });
});

describe('GET /v1/generations', () => {
  it('pages newest first through rows that are inserted meanwhile, each once', async () => {
    const caller = await api.person({});
    const ids: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      ids.unshift((await create(caller)).id);
      if (index % 2 === 0) store.clock.advance(1000);
    }
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const url = `/v1/generations?limit=2${cursor && `&cursor=${cursor}`}`;
      const page: { data: { id: string }[]; nextCursor: string | null } = await (await caller.get(url)).json();
      expect(page.data.length).toBeLessThanOrEqual(2);
      seen.push(...page.data.map(({ id }) => id));
      cursor = page.nextCursor;
      if (seen.length < 5) {
        store.clock.advance(1000);
        await create(caller);
      }
    }
    expect(seen).toEqual(ids);
  });

  it('filters by status, type and time', async () => {
    const caller = await api.person();
    const first = await create(caller);
    store.clock.advance(60_000);
    const from = store.clock.now().toISOString();
    const second = await create(caller, { ...IMAGE, type: 'variation', sourceImageUrl: 'https://example.com/a.png' });
    await caller.post(`/v1/generations/${first.id}/cancel`);
    const idsOf = async (search: string) => {
      const page = await (await caller.get(`/v1/generations?${search}`)).json();
      return page.data.map(({ id }: { id: string }) => id);
    };
    expect(await idsOf('status=cancelled')).toEqual([first.id]);
    expect(await idsOf('status=pending&type=variation')).toEqual([second.id]);
    expect(await idsOf('type=text-to-image')).toEqual([first.id]);
    expect(await idsOf(`from=${from}`)).toEqual([second.id]);
    expect(await idsOf(`to=${from}`)).toEqual([first.id]);
    expect(await idsOf('status=completed')).toEqual([]);
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=x',
    'limit=1e1',
    'status=done',
    'type[$ne]=x',
    'from=yesterday',
    'cursor=abc',
  ])('?%s is refused', async (search) => {
    const response = await (await api.person()).get(`/v1/generations?${search}`);
    expect(await problemOf(response)).toMatchObject({ status: 400, code: 'validation_failed' });
  });
});

describe("another user's generation", () => {
  it('is not found, whatever is asked of it', async () => {
    const [owner, other] = [await api.person(), await api.person()];
    const { id } = await create(owner);
    const answers = await Promise.all([
      other.get(`/v1/generations/${id}`),
      other.post(`/v1/generations/${id}/cancel`),
      other.delete(`/v1/generations/${id}`),
    ]);
    for (const answer of answers) expect(await problemOf(answer)).toMatchObject({ status: 404, code: 'not_found' });
    expect((await (await owner.get(`/v1/generations/${id}`)).json()).status).toBe('pending');
  });

  it.each(['x', '1', UNKNOWN_ID, `${UNKNOWN_ID}0`, '%7B%22$gt%22:%22%22%7D', '..%2f..', "' or 1=1"])(
    'an id that names none (%s) is not found either',
    async (id) => {
      const response = await (await api.person()).get(`/v1/generations/${id}`);
      expect(await problemOf(response)).toMatchObject({ status: 404, code: 'not_found' });
    },
  );
});

describe('POST /v1/generations/{id}/cancel', () => {
  it('cancels a pending generation and gives its credits back, once', async () => {
    const caller = await api.person();
    const { id } = await create(caller, { ...IMAGE, count: 3 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => caller.post(`/v1/generations/${id}/cancel`)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409, 409, 409, 409, 409]);
    expect(await quotaOf(caller)).toMatchObject({ used: 0, remaining: 10 });
    const ledger = await (await caller.get('/v1/quota/ledger')).json();
    expect(ledger.data).toMatchObject([
      { kind: 'refund', credits: 3, balance: 10, generationId: id },
      { kind: 'charge', credits: 3, balance: 7, generationId: id },
    ]);
  });

  it('is refused once a worker has begun', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    await drainQueue(id);
    const response = await caller.post(`/v1/generations/${id}/cancel`);
    expect(await problemOf(response)).toMatchObject({ status: 409, code: 'invalid_transition' });
    expect(await quotaOf(caller)).toMatchObject({ used: 1 });
  });
});

describe('DELETE /v1/generations/{id}', () => {
  it('cancels and refunds a pending one, and then it is gone', async () => {
    const caller = await api.person();
    const { id } = await create(caller, { ...IMAGE, count: 2 });
    expect((await caller.delete(`/v1/generations/${id}`)).status).toBe(204);
    expect((await caller.get(`/v1/generations/${id}`)).status).toBe(404);
    expect((await caller.delete(`/v1/generations/${id}`)).status).toBe(404);
    expect((await (await caller.get('/v1/generations')).json()).data).toEqual([]);
    expect(await quotaOf(caller)).toMatchObject({ used: 0 });
  });

  it('is refused while it is processing, and keeps the charge of a finished one', async () => {
    const caller = await api.person();
    const { id } = await create(caller);
    const lease = await drainQueue(id);
    expect(await problemOf(await caller.delete(`/v1/generations/${id}`))).toMatchObject({ code: 'invalid_transition' });
    await complete(api.ctx, lease.id, lease.token, {
      outputImages: [
        { url: '/images/a.png', filename: 'a.png', size: 9, width: 1, height: 1, contentType: 'image/png' },
      ],
    });
    const done = generationSchema.parse(await (await caller.get(`/v1/generations/${id}`)).json());
    expect(done).toMatchObject({ status: 'completed', outputImages: [{ url: 'http://localhost/images/a.png' }] });
    expect((await caller.delete(`/v1/generations/${id}`)).status).toBe(204);
    expect(await quotaOf(caller)).toMatchObject({ used: 1 });
    expect((await (await caller.get('/v1/me')).json()).totalImagesGenerated).toBe(1);
  });
});

/** Claims what waits until this generation is claimed; others of this file's tests may wait before it. */
async function drainQueue(id: string) {
  for (;;) {
    const claimed = await claim(api.ctx, { workerId: 'w', leaseSeconds: 60 });
    if (!claimed) throw new Error(`${id} does not wait in the queue`);
    if (claimed._id.toHexString() === id) return { id: claimed._id, token: claimed.lease.token };
  }
}

describe('the ledger at rest', () => {
  it('holds for everybody of these tests', async () => {
    await sweep(api.ctx, 0);
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  });
});
