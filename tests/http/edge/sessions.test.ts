import { Hono } from 'hono';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { authenticate } from '../../../src/middleware/auth.ts';
import type { UserEnv } from '../../../src/middleware/context.ts';
import { edgeWith, problemOf } from '../../support/api.ts';
import { createTokenIssuer, type TokenIssuer } from '../../support/tokens.ts';

// What a token proved is remembered by the object that says whom to trust, so each test has one of its own.

let clerk: TokenIssuer;

beforeAll(async () => {
  clerk = await createTokenIssuer();
});
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-05-05T05:05:05.000Z') });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const seconds = (later = 0) => Date.now() / 1000 + later;
const pass = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds);

function apiTrusting(trust = { ...clerk.trust }) {
  const { app } = edgeWith((edge) => {
    edge.route(
      '/whoami',
      new Hono<UserEnv>().use(authenticate(trust)).get('/', (c) => c.json(c.var.auth)),
    );
  });
  return (token: string) => app.request('/whoami', { headers: { Authorization: `Bearer ${token}` } });
}

describe('a token that was seen before', () => {
  it('says the same as at first, without another look at its signature', async () => {
    const ask = apiTrusting();
    const verify = vi.spyOn(crypto.subtle, 'verify');
    const token = await clerk.sign({ sub: 'user_42', name: 'Ada', metadata: { role: 'admin' } });
    const first = await (await ask(token)).json();
    expect(verify).toHaveBeenCalledTimes(1);
    expect(await (await ask(token)).json()).toEqual(first);
    expect(first).toEqual({ clerkUserId: 'user_42', name: 'Ada', isAdmin: true });
    expect(verify).toHaveBeenCalledTimes(1);
  });

  it.each([-1, 0, 1])('has ended at the same instant as one that was not (%i ms around it)', async (milliseconds) => {
    const [seen, unseen] = [apiTrusting(), apiTrusting()];
    const token = await clerk.sign({ exp: seconds(20) });
    expect((await seen(token)).status).toBe(200);
    pass(25_000 + milliseconds);
    const status = milliseconds < 0 ? 200 : 401;
    expect([(await seen(token)).status, (await unseen(token)).status]).toEqual([status, status]);
  });

  it.each(['nbf', 'iat'])(
    'does not begin sooner by %s than one that was not, where a clock is set back',
    async (claim) => {
      const [seen, unseen] = [apiTrusting(), apiTrusting()];
      const token = await clerk.sign({ nbf: undefined, iat: undefined, [claim]: seconds() });
      expect((await seen(token)).status).toBe(200);
      pass(-5_000);
      expect([(await seen(token)).status, (await unseen(token)).status]).toEqual([200, 200]);
      pass(-1);
      expect([(await seen(token)).status, (await unseen(token)).status]).toEqual([401, 401]);
    },
  );

  it('is told in words that it has expired', async () => {
    const ask = apiTrusting();
    const token = await clerk.sign();
    await ask(token);
    pass(66_000);
    for (const response of [await ask(token), await ask(token)]) {
      expect((await problemOf(response)).detail).toContain('expired');
    }
  });

  it('lends nothing to another signature or to other claims', async () => {
    const ask = apiTrusting();
    const [header, claims, signature] = (await clerk.sign()).split('.');
    expect((await ask(`${header}.${claims}.${signature}`)).status).toBe(200);
    const [, others] = (await clerk.sign({ sub: 'user_2' })).split('.');
    const stranger = await createTokenIssuer();
    const [, , foreign] = (await stranger.sign()).split('.');
    for (const forged of [
      `${header}.${others}.${signature}`,
      `${header}.${claims}.${foreign}`,
      `${header}.${claims}.AA`,
    ]) {
      expect((await ask(forged)).status).toBe(401);
    }
  });

  it('is refused by whoever trusts another key, issuer or party', async () => {
    const token = await clerk.sign({ azp: 'https://one.example.com' });
    expect((await apiTrusting()(token)).status).toBe(200);
    const stranger = await createTokenIssuer();
    for (const trust of [
      { ...clerk.trust, jwtKey: stranger.trust.jwtKey },
      { ...clerk.trust, issuer: 'https://other.example.com' },
      { ...clerk.trust, authorizedParties: ['https://two.example.com'] },
    ]) {
      expect((await apiTrusting(trust)(token)).status).toBe(401);
    }
  });
});

it('a token that was refused is looked at again', async () => {
  const ask = apiTrusting();
  const token = await clerk.sign({ nbf: seconds(30) });
  expect((await ask(token)).status).toBe(401);
  pass(30_000);
  expect((await ask(token)).status).toBe(200);
});
