import { beforeAll, describe, expect, it } from 'vitest';
import { edgeWith } from '../../support/api.ts';
import { PAGE, type TestApplication, testApplication } from '../../support/application.ts';
import { useDatabase } from '../../support/database.ts';

const store = useDatabase();
let api: TestApplication;
beforeAll(async () => {
  api = await testApplication(store, { quotaPerMinute: 1 });
});

function preflight(path: string, origin: string, method = 'POST') {
  const asked = { 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': 'authorization' };
  return api.request(path, { method: 'OPTIONS', headers: { Origin: origin, ...asked } });
}

const listOf = (response: Response, name: string) => (response.headers.get(name) ?? '').split(',');

describe('a page of an allowed origin', () => {
  it.each(['/v1/generations', '/v1/quota/consume', '/v1/me'])(
    'is told before it asks for %s, without a token, what it may send',
    async (path) => {
      const response = await preflight(path, PAGE);
      expect(response.status).toBe(204);
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe(PAGE);
      expect(listOf(response, 'Access-Control-Allow-Methods')).toEqual(['GET', 'HEAD', 'POST', 'PATCH', 'DELETE']);
      expect(listOf(response, 'Access-Control-Allow-Headers')).toEqual(
        expect.arrayContaining(['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID']),
      );
      expect(response.headers.get('Vary')).toContain('Origin');
      expect(response.headers.get('X-Request-Id')).not.toBeNull();
    },
  );

  it('may read answers and refusals alike, with their fields', async () => {
    const caller = await api.person();
    const answers = [
      await caller.get('/v1/quota', { Origin: PAGE }),
      await caller.get('/v1/quota', { Origin: PAGE }),
      await caller.post('/v1/quota/consume', { credits: 1 }, { Origin: PAGE }),
      await api.request('/v1/me', { headers: { Origin: PAGE } }),
      await api.request('/nothing', { headers: { Origin: PAGE } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 429, 429, 401, 404]);
    for (const answer of answers) {
      expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(PAGE);
      expect(answer.headers.get('Vary')).toContain('Origin');
      expect(listOf(answer, 'Access-Control-Expose-Headers')).toEqual(
        expect.arrayContaining([
          'X-Request-Id',
          'RateLimit',
          'RateLimit-Policy',
          'Retry-After',
          'Location',
          'Idempotency-Replayed',
        ]),
      );
    }
  });

  it('may not send cookies', async () => {
    const answers = [await preflight('/v1/me', PAGE), await (await api.person()).get('/v1/me', { Origin: PAGE })];
    for (const { headers } of answers) expect(headers.get('Access-Control-Allow-Credentials')).toBeNull();
  });
});

describe('a page of any other origin', () => {
  it.each([
    'https://evil.example.com',
    'http://app.example.com',
    'https://app.example.com.evil.com',
    'https://app.example.com:8443',
    'null',
  ])('(%s) is allowed nothing', async (origin) => {
    const caller = await api.person();
    for (const response of [await preflight('/v1/me', origin), await caller.get('/v1/me', { Origin: origin })]) {
      expect(response.headers.get('Access-Control-Allow-Origin')).toBeNull();
      expect(response.headers.get('Vary')).toContain('Origin');
    }
  });
});

describe('a caller that is no page', () => {
  it('is told nothing of pages, but caches are told that pages are answered otherwise', async () => {
    const { headers } = await (await api.person()).get('/v1/me');
    expect(headers.get('Access-Control-Allow-Origin')).toBeNull();
    expect(headers.get('Vary')).toContain('Origin');
  });

  it('is told by OPTIONS which methods there are', async () => {
    const response = await api.request('/v1/me', { method: 'OPTIONS', headers: { Origin: PAGE } });
    expect([response.status, response.headers.get('Allow')]).toEqual([204, 'DELETE, GET, HEAD, OPTIONS, PATCH']);
  });
});

describe('where every origin is allowed', () => {
  it('any page may ask, and none with cookies', async () => {
    const { app } = edgeWith((edge) => edge.get('/', (c) => c.text('ok')), { corsOrigins: ['*'] });
    const { headers } = await app.request('/', { headers: { Origin: 'https://anywhere.example.com' } });
    expect(headers.get('Access-Control-Allow-Origin')).toBe('*');
    expect(headers.get('Access-Control-Allow-Credentials')).toBeNull();
    expect(headers.get('Vary')).toBeNull();
  });
});
