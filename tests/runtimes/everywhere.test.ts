import { type EmbeddedMongo, startEmbeddedMongo } from 'embedded-mongo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { problemOf } from '../support/api.ts';
import { parseExposition, sumOf } from '../support/exposition.ts';
import { createPeople, type People } from '../support/people.ts';
import { temporaryFolder } from '../support/processes.ts';
import {
  RUNTIMES,
  type RunningRuntime,
  type RuntimeName,
  START_PATIENCE_MS,
  startRuntime,
} from '../support/runtimes.ts';

const PATIENCE_MS = 60_000;
const IMAGE = { type: 'text-to-image', prompt: 'A lighthouse at dusk' };
const generation = z.object({ id: z.string(), status: z.string(), outputImages: z.array(z.object({ url: z.url() })) });

let mongo: EmbeddedMongo;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let people: People;
const servers = new Map<RuntimeName, RunningRuntime>();

/** All four over one database, as `npm run start:bun`, `start:node`, `start:deno` and `start:worker` run them. */
beforeAll(async () => {
  [mongo, folder, people] = await Promise.all([startEmbeddedMongo(), temporaryFolder(), createPeople()]);
  const env = {
    ...people.env,
    MONGODB_URI: mongo.uriFor('everywhere'),
    ARTIFEX_DATA_DIR: folder.path,
    FIELD_ENCRYPTION_KEYS: `k1:${btoa('0123456789abcdef0123456789abcdef')}`,
    RATE_LIMIT_QUOTA_PER_MINUTE: '100000',
  };
  const started = await Promise.all(RUNTIMES.map((runtime) => startRuntime(runtime, env)));
  for (const server of started) servers.set(server.runtime, server);
}, START_PATIENCE_MS);

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.end()));
  await mongo.stop();
  await folder.remove();
}, PATIENCE_MS);

function urlOf(runtime: RuntimeName): string {
  const server = servers.get(runtime);
  if (!server) throw new Error(`${runtime} does not run`);
  return server.url;
}

const ask = (runtime: RuntimeName, path: string, init: RequestInit = {}) => fetch(`${urlOf(runtime)}${path}`, init);

function post(runtime: RuntimeName, path: string, body: unknown, headers: Record<string, string>): Promise<Response> {
  const init = { method: 'POST', body: JSON.stringify(body) };
  return ask(runtime, path, { ...init, headers: { 'Content-Type': 'application/json', ...headers } });
}

describe.each(RUNTIMES)('on %s', (runtime) => {
  it('a valid session token is believed', async () => {
    const response = await ask(runtime, '/v1/quota', { headers: await people.newcomer() });

    expect(await response.json()).toMatchObject({ tier: 'free', limit: 10, used: 0, remaining: 10 });
    expect(response.status).toBe(200);
  });

  it.each<[string, () => Promise<string | undefined> | string]>([
    ['no token', async () => undefined],
    ['an expired token', async () => people.issuer.sign({ exp: Math.floor(Date.now() / 1000) - 3600 })],
    ['a token of another issuer', async () => (await createPeople()).issuer.sign()],
    ['a token with a foreign claim of its issuer', () => people.issuer.sign({ iss: 'https://clerk.example.org' })],
    ['a token without a signature', () => people.issuer.unsigned()],
    ['a token signed with the public key as a secret', () => people.issuer.signWithPublicKeyAsSecret()],
    ['what is no token', async () => 'opensesame'],
  ])('%s is refused', async (_, tokenOf) => {
    const token = await tokenOf();
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const response = await ask(runtime, '/v1/quota', { headers });

    expect(response.headers.get('WWW-Authenticate')).toMatch(/^Bearer realm="artifex"/);
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  it('a generation is created, drawn, read by its owner alone, and its picture opens', {
    timeout: PATIENCE_MS,
  }, async () => {
    const headers = await people.newcomer();
    const created = await post(runtime, '/v1/generations', IMAGE, headers);
    expect(created.status).toBe(201);
    const { id } = generation.parse(await created.json());
    const location = new URL(created.headers.get('Location') ?? '', urlOf(runtime)).pathname;
    expect(location).toBe(`/v1/generations/${id}`);

    const { outputImages } = await untilDrawn(runtime, location, headers);
    const picture = await fetch(outputImages[0]?.url ?? '');
    expect(picture.headers.get('Content-Type')).toBe('image/png');
    expect([...new Uint8Array(await picture.arrayBuffer()).slice(1, 4)]).toEqual(
      [...'PNG'].map((c) => c.charCodeAt(0)),
    );
    expect(new URL(outputImages[0]?.url ?? '').origin).toBe(urlOf(runtime));

    const foreign = await ask(runtime, location, { headers: await people.newcomer() });
    expect(await problemOf(foreign)).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('a hundred requests at once take ten credits and no more', { timeout: PATIENCE_MS }, async () => {
    const headers = await people.newcomer();
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const response = await post(runtime, '/v1/quota/consume', { credits: 1 }, headers);
        await response.arrayBuffer();
        return response.status;
      }),
    );
    const quota = await (await ask(runtime, '/v1/quota', { headers })).json();

    expect(answers.filter((status) => status === 200)).toHaveLength(10);
    expect(answers.filter((status) => status === 402)).toHaveLength(90);
    expect(quota).toMatchObject({ used: 10, remaining: 0, allowed: false });
  });

  it('what was paid on one runtime is a replay on this one', async () => {
    const headers = { ...(await people.newcomer()), 'Idempotency-Key': crypto.randomUUID() };
    const answers: { id: string; replayed: string | null }[] = [];
    for (const where of [runtime, ...RUNTIMES]) {
      const response = await post(where, '/v1/generations', IMAGE, headers);
      expect(response.status).toBe(201);
      const { id } = generation.parse(await response.json());
      answers.push({ id, replayed: response.headers.get('Idempotency-Replayed') });
    }
    const reused = await post(runtime, '/v1/generations', { ...IMAGE, prompt: 'Another' }, headers);
    const quota = await (await ask(runtime, '/v1/quota', { headers })).json();

    const [first, ...replays] = answers;
    expect(first?.replayed).toBeNull();
    expect(replays).toEqual(RUNTIMES.map(() => ({ id: first?.id, replayed: 'true' })));
    expect(await problemOf(reused)).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
    expect(quota).toMatchObject({ used: 1 });
  });

  it('metrics tell of what was asked, charged and sent to the database', async () => {
    await ask(runtime, '/v1/quota', { headers: await people.newcomer() });
    const samples = parseExposition(await (await ask(runtime, '/metrics')).text());

    expect(sumOf(samples, 'artifex_http_requests_total', { route: '/v1/quota', status: '200' })).toBeGreaterThan(0);
    expect(sumOf(samples, 'artifex_database_command_duration_seconds_count', { collection: 'users' })).toBeGreaterThan(
      0,
    );
    expect(sumOf(samples, 'artifex_database_pool_size')).toBeGreaterThan(0);
  });
});

describe('all four', () => {
  it('publish one and the same document, and a reference without any outside host', async () => {
    const [first, ...others] = await Promise.all(
      RUNTIMES.map(async (runtime) => {
        const [openapi, docs] = await Promise.all([ask(runtime, '/openapi.json'), ask(runtime, '/docs')]);
        return { document: await openapi.json(), page: (await docs.text()).replaceAll(urlOf(runtime), '') };
      }),
    );

    expect(first?.document).toMatchObject({ openapi: expect.stringMatching(/^3\.1/) });
    expect(first?.page).not.toMatch(/(?:src|href)="https?:\/\//);
    for (const other of others) expect(other).toEqual(first);
  });

  it.each<[string, string, RequestInit]>([
    ['an unknown path', '/v1/nothing', {}],
    ['a method that is not there', '/v1/quota', { method: 'PUT' }],
    ['broken JSON', '/v1/generations', { method: 'POST', body: '{' }],
    ['an unknown field', '/v1/quota/consume', { method: 'POST', body: '{"credits":1,"tier":"pro"}' }],
    [
      'another media type',
      '/v1/generations',
      { method: 'POST', body: '<a/>', headers: { 'Content-Type': 'text/xml' } },
    ],
    ['more than a mebibyte', '/v1/generations', { method: 'POST', body: `"${'x'.repeat(1_100_000)}"` }],
    ['an id that is none', '/v1/generations/nothing', {}],
    ['an unknown parameter', '/v1/quota?tier=pro', {}],
  ])('answer alike: %s', async (_, path, init) => {
    const authorization = await people.newcomer();
    const headers = { 'Content-Type': 'application/json', 'X-Request-Id': 'same', ...authorization, ...init.headers };
    const [first, ...others] = await Promise.all(
      RUNTIMES.map(async (runtime) => {
        const response = await ask(runtime, path, { ...init, headers });
        const [allow, requestId] = ['Allow', 'X-Request-Id'].map((name) => response.headers.get(name));
        return { problem: await problemOf(response), allow, requestId };
      }),
    );

    expect(first?.problem.status).toBeGreaterThanOrEqual(400);
    expect(first?.problem.status).toBeLessThan(500);
    expect(first?.requestId).toBe('same');
    for (const other of others) expect(other).toEqual(first);
  });
});

async function untilDrawn(runtime: RuntimeName, location: string, headers: Record<string, string>) {
  for (;;) {
    const response = await ask(runtime, location, { headers });
    expect(response.status).toBe(200);
    const read = generation.parse(await response.json());
    if (read.status === 'completed') return read;
    expect(['pending', 'processing']).toContain(read.status);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
