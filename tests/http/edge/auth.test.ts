import { Hono } from 'hono';
import { beforeAll, describe, expect, it } from 'vitest';
import { authenticate, requireAdmin } from '../../../src/middleware/auth.ts';
import type { UserEnv } from '../../../src/middleware/context.ts';
import { edgeWith, problemOf } from '../../support/api.ts';
import { createTokenIssuer, type TokenIssuer } from '../../support/tokens.ts';

const now = () => Math.floor(Date.now() / 1000);

let clerk: TokenIssuer;
let stranger: TokenIssuer;

beforeAll(async () => {
  [clerk, stranger] = await Promise.all([createTokenIssuer(), createTokenIssuer()]);
});

function apiTrusting(trust = clerk.trust) {
  return edgeWith((edge) => {
    edge.route(
      '/whoami',
      new Hono<UserEnv>().use(authenticate(trust)).get('/', (c) => c.json(c.var.auth)),
    );
    edge.route(
      '/admin',
      new Hono<UserEnv>().use(authenticate(trust), requireAdmin()).get('/', (c) => c.json({ welcome: true })),
    );
  });
}

function ask(authorization: string | undefined, path = '/whoami', trust = clerk.trust) {
  return apiTrusting(trust).app.request(
    path,
    authorization === undefined ? {} : { headers: { Authorization: authorization } },
  );
}

describe('a valid session token', () => {
  it('says who asks', async () => {
    const token = await clerk.sign({ sub: 'user_42', email: 'a@example.com', name: 'Ada' });

    const response = await ask(`Bearer ${token}`);

    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      clerkUserId: 'user_42',
      email: 'a@example.com',
      name: 'Ada',
      isAdmin: false,
    });
  });

  it('needs neither e-mail nor name, and ignores those that are none', async () => {
    const bare = await ask(`Bearer ${await clerk.sign()}`);
    const odd = await ask(`Bearer ${await clerk.sign({ email: 'no address', name: 7, metadata: 'admin' })}`);

    expect(await bare.json()).toEqual({ clerkUserId: 'user_1', isAdmin: false });
    expect(await odd.json()).toEqual({ clerkUserId: 'user_1', isAdmin: false });
  });

  it('is accepted whatever the case of the scheme', async () => {
    expect((await ask(`bearer ${await clerk.sign()}`)).status).toBe(200);
  });

  it('tolerates a few seconds between two clocks', async () => {
    expect((await ask(`Bearer ${await clerk.sign({ nbf: now() + 2, iat: now() + 2 })}`)).status).toBe(200);
  });

  it('is taken from whoever Clerk lists as a party, when parties are named', async () => {
    const trust = { ...clerk.trust, authorizedParties: ['https://app.example.com'] };

    const own = await ask(`Bearer ${await clerk.sign({ azp: 'https://app.example.com' })}`, '/whoami', trust);
    const foreign = await ask(`Bearer ${await clerk.sign({ azp: 'https://evil.example.com' })}`, '/whoami', trust);
    const unnamed = await ask(`Bearer ${await clerk.sign()}`, '/whoami', trust);

    expect([own.status, foreign.status, unnamed.status]).toEqual([200, 401, 401]);
  });

  it('may come from any issuer where none is known', async () => {
    const response = await ask(`Bearer ${await clerk.sign({ iss: 'https://other.example.com' })}`, '/whoami', {
      ...clerk.trust,
      issuer: null,
    });

    expect(response.status).toBe(200);
  });
});

describe('401 unauthenticated', () => {
  const refused: Record<string, () => Promise<string> | string> = {
    'a scheme without a token': () => 'Bearer',
    'two tokens': async () => `Bearer ${await clerk.sign()} ${await clerk.sign()}`,
    'a word': () => 'Bearer word',
    'three parts that are no JWT': () => 'Bearer a.b.c',
    'an API key of a machine': () => 'Bearer ak_0123456789abcdef',
    'an API key with dots': () => 'Bearer ak_0123.4567.89ab',
    'an M2M token': () => 'Bearer mt_0123456789abcdef',
    'an OAuth token': () => 'Bearer oat_0123456789abcdef',
    'a machine as the subject': async () => `Bearer ${await clerk.sign({ sub: 'mch_1' })}`,
    'an OAuth access token': async () => `Bearer ${await clerk.sign({}, { typ: 'at+jwt' })}`,
    'a signature of another key': async () => `Bearer ${await stranger.sign()}`,
    'no signature (alg none)': () => `Bearer ${clerk.unsigned()}`,
    'an empty signature': async () => `Bearer ${(await clerk.sign()).replace(/[^.]+$/, 'AA')}`,
    'claims changed after signing': async () => {
      const [header, , signature] = (await clerk.sign()).split('.');
      const [, forged] = (await clerk.sign({ sub: 'user_2' })).split('.');
      return `Bearer ${header}.${forged}.${signature}`;
    },
    'HS256 with the public key as the secret': async () => `Bearer ${await clerk.signWithPublicKeyAsSecret()}`,
    'RS384, though the key is right': async () => `Bearer ${await clerk.sign({}, { alg: 'RS384' })}`,
    'RS512, though the key is right': async () => `Bearer ${await clerk.sign({}, { alg: 'RS512' })}`,
    'an expired token': async () => `Bearer ${await clerk.sign({ exp: now() - 60 })}`,
    'a token without an expiry': async () => `Bearer ${await clerk.sign({ exp: undefined })}`,
    'a token that is not valid yet': async () => `Bearer ${await clerk.sign({ nbf: now() + 60 })}`,
    'a token from the future': async () => `Bearer ${await clerk.sign({ iat: now() + 60 })}`,
    'a foreign issuer': async () => `Bearer ${await clerk.sign({ iss: 'https://clerk.example.org' })}`,
    'no issuer': async () => `Bearer ${await clerk.sign({ iss: undefined })}`,
    'no subject': async () => `Bearer ${await clerk.sign({ sub: undefined })}`,
    'an empty subject': async () => `Bearer ${await clerk.sign({ sub: '' })}`,
    'a session that still has tasks to do': async () => `Bearer ${await clerk.sign({ sts: 'pending' })}`,
  };

  it.each(Object.keys(refused))('for %s', async (name) => {
    const authorization = (await refused[name]?.()) ?? '';

    const response = await ask(authorization);
    const problem = await problemOf(response.clone());

    expect(problem.code).toBe('unauthenticated');
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="artifex", error="invalid_token"');
    const token = authorization.split(' ')[1];
    if (token) expect(await response.text()).not.toContain(token);
  });

  it('for a request without a token, which is told no error code (RFC 6750 section 3.1)', async () => {
    const response = await ask(undefined);

    expect((await problemOf(response.clone())).code).toBe('unauthenticated');
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="artifex"');
  });

  it.each<[string, () => Promise<string> | string]>([
    ['another scheme', () => 'Basic dXNlcjpwYXNz'],
    ['a scheme that only begins like ours', async () => `BearerX ${await clerk.sign()}`],
    ['a token without a scheme', () => clerk.sign()],
  ])('for %s, which is told no error code either', async (_, authorization) => {
    const response = await ask(await authorization());

    expect((await problemOf(response.clone())).code).toBe('unauthenticated');
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="artifex"');
  });

  it('for a session in a cookie: only the Authorization header counts', async () => {
    const response = await apiTrusting().app.request('/whoami', {
      headers: { Cookie: `__session=${await clerk.sign()}` },
    });

    expect(response.status).toBe(401);
  });

  it('and never a redirect, even for a browser with an expired token', async () => {
    const response = await apiTrusting().app.request('/whoami', {
      headers: {
        Authorization: `Bearer ${await clerk.sign({ exp: now() - 60 })}`,
        Accept: 'text/html',
        'Sec-Fetch-Dest': 'document',
        Cookie: '__client_uat=1',
      },
    });

    expect(response.status).toBe(401);
    expect(response.headers.get('Location')).toBeNull();
    expect(response.headers.get('Set-Cookie')).toBeNull();
  });

  it.each([
    ['expired', { exp: now() - 60 }],
    ['not valid yet', { nbf: now() + 60 }],
  ])('says in plain words that a token is %s', async (words, claims) => {
    const problem = await problemOf(await ask(`Bearer ${await clerk.sign(claims)}`));

    expect(problem.detail).toContain(words);
  });

  it('logs no token', async () => {
    const { app, lines } = apiTrusting();
    const token = await stranger.sign();

    await app.request('/whoami', { headers: { Authorization: `Bearer ${token}` } });

    expect(lines).not.toHaveLength(0);
    expect(JSON.stringify(lines)).not.toContain(token.slice(0, 20));
  });
});

describe('requireAdmin', () => {
  it('lets the claim metadata.role = admin pass', async () => {
    expect((await ask(`Bearer ${await clerk.sign({ metadata: { role: 'admin' } })}`, '/admin')).status).toBe(200);
  });

  it.each([
    ['no metadata', {}],
    ['another role', { metadata: { role: 'member' } }],
    ['a role elsewhere', { role: 'admin', public_metadata: { role: 'admin' } }],
    ['a list of roles', { metadata: { role: ['admin'] } }],
  ])('answers 403 forbidden for %s', async (_name, claims) => {
    expect((await problemOf(await ask(`Bearer ${await clerk.sign(claims)}`, '/admin'))).code).toBe('forbidden');
  });

  it('answers 401 before 403', async () => {
    expect((await ask(undefined, '/admin')).status).toBe(401);
  });
});
