import { Hono } from 'hono';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { perMinute } from '../../../src/domain/rateLimit.ts';
import { authenticate } from '../../../src/middleware/auth.ts';
import type { UserEnv } from '../../../src/middleware/context.ts';
import { memoryLimiter } from '../../../src/middleware/memoryLimiter.ts';
import { type EdgeOptions, edgeWith, problemOf } from '../../support/api.ts';
import { createTokenIssuer, type TokenIssuer } from '../../support/tokens.ts';

const LIMIT = 3;

let clerk: TokenIssuer;
beforeAll(async () => {
  clerk = await createTokenIssuer();
});
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
});
afterEach(() => {
  vi.useRealTimers();
});

function api(options: EdgeOptions = {}) {
  const { app } = edgeWith(
    (edge) => {
      edge.get('/docs', (c) => c.text('docs'));
      edge.get('/healthz', (c) => c.text('ok'));
      edge.get('/readyz', (c) => c.text('ok'));
      edge.route(
        '/v1',
        new Hono<UserEnv>().use(authenticate(clerk.trust)).get('/me', (c) => c.json(c.var.auth)),
      );
    },
    { addressPerMinute: LIMIT, ...options },
  );
  /** Statuses of as many requests, one after the other. */
  async function ask(times: number, path: string, headers: Record<string, string> = {}, peerAddress = '192.0.2.1') {
    const responses: Response[] = [];
    for (let time = 0; time < times; time += 1) responses.push(await app.request(path, { headers }, { peerAddress }));
    return responses;
  }
  return {
    app,
    ask,
    statuses: async (...args: Parameters<typeof ask>) => (await ask(...args)).map(({ status }) => status),
  };
}

const wrong = { Authorization: 'Bearer a.b.c' };

describe('requests that prove nothing', () => {
  it.each(['/docs', '/nothing'])('for %s are refused over the limit of their address', async (path) => {
    const responses = await api().ask(LIMIT + 1, path);
    const last = responses.at(-1);
    if (!last) throw new Error('There are some');
    expect(responses.slice(0, LIMIT).map(({ status }) => status)).not.toContain(429);
    expect(last.headers.get('Retry-After')).toBe('60');
    expect(last.headers.get('RateLimit-Policy')).toBe('"address";q=3;w=60');
    expect(last.headers.get('RateLimit')).toBe('"address";r=0;t=60');
    expect(await problemOf(last)).toMatchObject({ status: 429, code: 'rate_limited' });
  });

  it('are let through again in the next minute', async () => {
    const { statuses } = api();
    expect(await statuses(LIMIT + 1, '/docs')).toEqual([200, 200, 200, 429]);
    vi.setSystemTime(Date.now() + 60_000);
    expect(await statuses(1, '/docs')).toEqual([200]);
  });

  it('of other addresses go on', async () => {
    const { statuses } = api();
    await statuses(LIMIT + 1, '/docs');
    expect(await statuses(1, '/docs', {}, '192.0.2.2')).toEqual([200]);
  });

  it('have no new limit by what they say of their address', async () => {
    const { app } = api();
    const statuses: number[] = [];
    for (let time = 0; time <= LIMIT; time += 1) {
      const said = { 'X-Forwarded-For': `203.0.113.${time}`, 'CF-Connecting-IP': `203.0.113.${time}` };
      statuses.push((await app.request('/docs', { headers: said }, { peerAddress: '192.0.2.1' })).status);
    }
    expect(statuses).toEqual([200, 200, 200, 429]);
  });

  it('are told apart behind a trusted proxy', async () => {
    const { statuses } = api({ trustedProxy: 1 });
    expect(await statuses(LIMIT + 1, '/docs', { 'X-Forwarded-For': '203.0.113.1' })).toEqual([200, 200, 200, 429]);
    expect(await statuses(1, '/docs', { 'X-Forwarded-For': '203.0.113.2' })).toEqual([200]);
  });

  it.each(['/healthz', '/readyz'])('are always answered by %s', async (path) => {
    expect(await api().statuses(LIMIT * 5, path)).toEqual(Array(LIMIT * 5).fill(200));
  });
});

describe('failed authentications', () => {
  it('are 401 up to the limit of their address, and then 429 without a challenge', async () => {
    const responses = await api().ask(LIMIT + 1, '/v1/me', wrong);
    expect(responses.map(({ status }) => status)).toEqual([401, 401, 401, 429]);
    expect(responses[0]?.headers.get('WWW-Authenticate')).toMatch(/^Bearer/);
    expect(responses[LIMIT]?.headers.get('WWW-Authenticate')).toBeNull();
    expect(responses[LIMIT]?.headers.get('Retry-After')).toBe('60');
  });

  it('shut out nobody else behind the same address', async () => {
    const { statuses } = api();
    await statuses(LIMIT + 1, '/v1/me', wrong);
    const valid = { Authorization: `Bearer ${await clerk.sign()}` };
    expect(await statuses(LIMIT * 3, '/v1/me', valid)).toEqual(Array(LIMIT * 3).fill(200));
    expect(await statuses(1, '/v1/me', wrong)).toEqual([429]);
  });

  it('are counted with the missing ones, and apart from what succeeds', async () => {
    const { statuses } = api();
    const valid = { Authorization: `Bearer ${await clerk.sign()}` };
    await statuses(10, '/v1/me', valid);
    expect(await statuses(2, '/v1/me')).toEqual([401, 401]);
    expect(await statuses(2, '/v1/me', wrong)).toEqual([401, 429]);
  });
});

describe('the memory of addresses', () => {
  it('does not grow beyond 10,000 of them, and forgets the one that was silent longest', async () => {
    const limiter = memoryLimiter(perMinute(1));
    for (let index = 0; index < 10_000; index += 1) await limiter.take(`address ${index}`);
    expect(await limiter.take('address 0')).toMatchObject({ isAllowed: false });
    await limiter.take('one more');
    expect(await limiter.take('address 0')).toMatchObject({ isAllowed: false });
    expect(await limiter.take('address 1')).toMatchObject({ isAllowed: true });
  });
});
