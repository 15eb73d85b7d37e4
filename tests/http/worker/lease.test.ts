import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sweep } from '@/workflows/sweep.ts';
import { problemOf } from '../../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../../support/application.ts';
import { clearBooks } from '../../support/books.ts';
import { useDatabase } from '../../support/database.ts';
import { type Claimed, MADE, outsideWorker } from '../../support/outsideWorker.ts';

const store = useDatabase();
const IMAGE = { type: 'text-to-image', prompt: 'A bay', count: 2 };

let api: TestApplication;
let worker: ReturnType<typeof outsideWorker>;
let caller: Caller;
beforeAll(async () => {
  api = await testApplication(store);
  worker = outsideWorker(api);
});
beforeEach(async () => {
  await clearBooks(store);
  caller = await api.person();
});

async function work(request: object = IMAGE): Promise<Claimed> {
  expect((await caller.post('/v1/generations', request)).status).toBe(201);
  const claimed = await worker.claim();
  if (!claimed) throw new Error('One was just made');
  return claimed;
}

const usage = async () => (await (await caller.get('/v1/quota')).json()).used;
const codeOf = async (response: Response) => (await problemOf(response)).code;

describe('a claim', () => {
  it('is answered with all that the work needs, and a token', async () => {
    const request = { ...IMAGE, type: 'variation', sourceImageUrl: 'https://example.com/source.png' };
    const claimed = await work(request);
    expect(claimed).toMatchObject({ ...request, status: 'processing', leaseToken: expect.stringMatching(/^.{30,}$/) });
    expect(claimed).not.toHaveProperty('userId');
    expect(await (await caller.get(`/v1/generations/${claimed.id}`)).json()).not.toHaveProperty('leaseToken');
  });

  it('is 204 without a body when nothing waits, or nothing of these types', async () => {
    const response = await worker.post('claim', { workerId: 'w' });
    expect([response.status, await response.text()]).toEqual([204, '']);
    await caller.post('/v1/generations', IMAGE);
    expect(await worker.claim({ types: ['upscale', 'inpainting'] })).toBeNull();
    expect(await worker.claim({ types: ['upscale', 'text-to-image'] })).not.toBeNull();
  });

  it.each([
    [{}, 'workerId'],
    [{ workerId: '' }, 'workerId'],
    [{ workerId: 'x'.repeat(129) }, 'workerId'],
    [{ workerId: 'a\nb' }, 'workerId'],
    [{ workerId: { $gt: '' } }, 'workerId'],
    [{ workerId: 'w', leaseSeconds: 4 }, 'leaseSeconds'],
    [{ workerId: 'w', leaseSeconds: 3601 }, 'leaseSeconds'],
    [{ workerId: 'w', leaseSeconds: 5.5 }, 'leaseSeconds'],
    [{ workerId: 'w', leaseSeconds: '60' }, 'leaseSeconds'],
    [{ workerId: 'w', types: [] }, 'types'],
    [{ workerId: 'w', types: ['painting'] }, 'types.0'],
    [{ workerId: 'w', userId: 'somebody' }, 'userId'],
  ])('of %j is refused', async (body, path) => {
    const { code, errors } = await problemOf(await worker.post('claim', body));
    expect([code, ...new Set(errors?.map((error) => error.path))]).toEqual(['validation_failed', path]);
  });
});

describe('a heartbeat', () => {
  it('keeps the lease for as long as the claim asked for, and not a second more', async () => {
    await caller.post('/v1/generations', IMAGE);
    const claimed = await worker.claim({ leaseSeconds: 5 });
    if (!claimed) throw new Error('One was just made');
    for (let beat = 0; beat < 3; beat += 1) {
      store.clock.advance(4_900);
      expect((await worker.heartbeat(claimed)).status).toBe(200);
    }
    store.clock.advance(5_000);
    expect(await codeOf(await worker.heartbeat(claimed))).toBe('lease_lost');
    expect(await codeOf(await worker.complete(claimed))).toBe('lease_lost');
    expect(await codeOf(await worker.fail(claimed))).toBe('lease_lost');
  });
});

describe('a worker that was thought dead', () => {
  it('is fenced off: its token moves nothing, and the next one has its own', async () => {
    const first = await work();
    store.clock.advance(61_000);
    await sweep(api.ctx, 0);
    const second = await worker.claim();
    expect(second?.id).toBe(first.id);
    expect(second?.leaseToken).not.toBe(first.leaseToken);
    for (const late of [worker.heartbeat(first), worker.complete(first), worker.fail(first)]) {
      expect(await codeOf(await late)).toBe('lease_lost');
    }
    if (second) expect((await worker.complete(second)).status).toBe(200);
    expect(await usage()).toBe(2);
  });
});

describe('a completion', () => {
  it('shows the pictures to the user, counts them, and may be sent again', async () => {
    const claimed = await work();
    const images = [MADE, { url: 'HTTPS://Pictures.Example.com/b c.png', filename: 'b.png', size: 1 }];
    const answers = [await worker.complete(claimed, images), await worker.complete(claimed, images)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const [first, again] = await Promise.all(answers.map((answer) => answer.json()));
    expect(again).toEqual(first);
    expect(first).toEqual(await (await caller.get(`/v1/generations/${claimed.id}`)).json());
    const shown = await (await caller.get(`/v1/generations/${claimed.id}`)).json();
    expect(shown).toMatchObject({
      status: 'completed',
      outputImages: [MADE, { url: 'https://pictures.example.com/b%20c.png', width: null }],
    });
    await sweep(api.ctx, 0);
    expect(await (await caller.get('/v1/me')).json()).toMatchObject({ totalImagesGenerated: 2 });
  });

  it('with other pictures, or a failure, changes nothing of one that was', async () => {
    const claimed = await work();
    await worker.complete(claimed);
    expect(await codeOf(await worker.complete(claimed, [MADE, MADE]))).toBe('invalid_transition');
    expect(await codeOf(await worker.fail(claimed))).toBe('invalid_transition');
    expect(await codeOf(await worker.heartbeat(claimed))).toBe('lease_lost');
    expect(await (await caller.get(`/v1/generations/${claimed.id}`)).json()).toMatchObject({ outputImages: [MADE] });
  });

  it('of a wrong token, or another generation’s, is 409; of an unknown id 404', async () => {
    const claimed = await work();
    const other = await (async () => {
      caller = await api.person();
      return work();
    })();
    expect(await codeOf(await worker.complete({ ...claimed, leaseToken: other.leaseToken }))).toBe('lease_lost');
    expect(await codeOf(await worker.complete({ ...claimed, leaseToken: '$lease' }))).toBe('lease_lost');
    for (const id of ['0'.repeat(24), 'nonsense']) {
      expect(await codeOf(await worker.complete({ ...claimed, id }))).toBe('not_found');
    }
  });

  it('has from one to as many pictures as were asked for', async () => {
    const claimed = await work();
    for (const images of [[], [MADE, MADE, MADE], [MADE, MADE, MADE, MADE, MADE]]) {
      const { code, errors } = await problemOf(await worker.complete(claimed, images));
      expect([code, errors?.map(({ path }) => path)]).toEqual(['validation_failed', ['outputImages']]);
    }
    expect((await worker.complete(claimed, [MADE, MADE])).status).toBe(200);
  });

  it.each([
    [{ url: 'http://pictures.example.com/a.png' }, 'url'],
    [{ url: 'javascript:alert(1)' }, 'url'],
    [{ url: 'data:image/png;base64,AAAA' }, 'url'],
    [{ url: '/images/a.png' }, 'url'],
    [{ url: 'https://user:secret@pictures.example.com/a.png' }, 'url'],
    [{ url: `https://pictures.example.com/${'x'.repeat(2048)}` }, 'url'],
    [{ url: { $ne: null } }, 'url'],
    [{ filename: '../../etc/passwd' }, 'filename'],
    [{ filename: 'a\r\nSet-Cookie: b' }, 'filename'],
    [{ filename: '' }, 'filename'],
    [{ size: -1 }, 'size'],
    [{ size: 1.5 }, 'size'],
    [{ width: 0 }, 'width'],
    [{ height: 65_536 }, 'height'],
    [{ contentType: 'text/html' }, 'contentType'],
    [{ contentType: 'image/png; a=b' }, 'contentType'],
    [{ $where: 'true' }, '$where'],
  ])('with a picture of %j is refused, and the lease goes on', async (wrong, field) => {
    const claimed = await work();
    const { code, errors } = await problemOf(await worker.complete(claimed, [{ ...MADE, ...wrong }]));
    expect([code, ...new Set(errors?.map(({ path }) => path))]).toEqual([
      'validation_failed',
      `outputImages.0.${field}`,
    ]);
    expect((await worker.heartbeat(claimed)).status).toBe(200);
  });
});

describe('a failure', () => {
  it('gives the credits back, and may be sent again', async () => {
    const claimed = await work();
    expect(await usage()).toBe(2);
    for (let times = 0; times < 2; times += 1) {
      const answer = await worker.fail(claimed);
      expect([answer.status, await answer.json()]).toMatchObject([
        200,
        { status: 'failed', errorMessage: 'The model is out of memory.' },
      ]);
    }
    expect(await usage()).toBe(0);
    expect(await codeOf(await worker.complete(claimed))).toBe('invalid_transition');
  });

  it('that may be retried is, three times at most', async () => {
    let claimed: Claimed | null = await work();
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      if (!claimed) throw new Error('It waits for another attempt');
      const answer = await (await worker.fail(claimed, { retryable: true })).json();
      expect(answer.status).toBe(attempt < 3 ? 'pending' : 'failed');
      claimed = await worker.claim();
    }
    expect(claimed).toBeNull();
    expect(await usage()).toBe(0);
  });
});

describe('the token of the workers', () => {
  const body = { workerId: 'w' };

  it.each([[''], ['wrong'], [`${'x'.repeat(5000)}`], ['the-token.of~all+workers/0123456789=']])(
    'is not %j',
    async (token) => {
      const response = await outsideWorker(api, token).post('claim', body);
      expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="artifex", error="invalid_token"');
      expect(await codeOf(response)).toBe('unauthenticated');
    },
  );

  it('has to be shown as a bearer', async () => {
    const headers = { 'Content-Type': 'application/json', Authorization: 'Basic dzp3' };
    const init = { method: 'POST', body: JSON.stringify(body) };
    for (const sent of [
      { ...init, headers },
      { ...init, headers: { 'Content-Type': 'application/json' } },
    ]) {
      const response = await api.request('/v1/worker/generations/claim', sent);
      expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="artifex"');
      expect(await codeOf(response)).toBe('unauthenticated');
    }
  });

  it('is no session token, and opens nothing else', async () => {
    expect(await codeOf(await outsideWorker(api, caller.token).post('claim', body))).toBe('unauthenticated');
    const headers = { Authorization: 'Bearer the-token.of~all+workers/0123456789==' };
    expect(await codeOf(await api.request('/v1/me', { headers }))).toBe('unauthenticated');
  });

  it('that the server has none of opens nothing, whatever is shown', async () => {
    const closed = await testApplication(store, { workerToken: null });
    for (const shown of ['', 'undefined', 'anything']) {
      expect(await codeOf(await outsideWorker(closed, shown).post('claim', body))).toBe('unauthenticated');
    }
  });
});
