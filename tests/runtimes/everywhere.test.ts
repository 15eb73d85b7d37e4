import { type EmbeddedMongo, startEmbeddedMongo } from 'embedded-mongo';
import mongoose, { type Connection } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemClock } from '@/domain/clock.ts';
import { createModels, type Models } from '@/models/index.ts';
import { problemOf } from '../support/api.ts';
import { eventsOf } from '../support/events.ts';
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
const PAGE = 'https://app.example.com';
/** More than any test asks of one person, but for the one that wants to be refused. */
const QUOTA_PER_MINUTE = 110;
const IMAGE = { type: 'text-to-image', prompt: 'A lighthouse at dusk' } as const;
const generation = z.object({ id: z.string(), status: z.string(), outputImages: z.array(z.object({ url: z.url() })) });

let mongo: EmbeddedMongo;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let people: People;
let connection: Connection;
let models: Models;
const servers = new Map<RuntimeName, RunningRuntime>();

/** All four over one database, as `npm run start:bun`, `start:node`, `start:deno` and `start:worker` run them. */
beforeAll(async () => {
  [mongo, folder, people] = await Promise.all([startEmbeddedMongo(), temporaryFolder(), createPeople()]);
  const env = {
    ...people.env,
    MONGODB_URI: mongo.uriFor('everywhere'),
    ARTIFEX_DATA_DIR: folder.path,
    FIELD_ENCRYPTION_KEYS: `k1:${btoa('0123456789abcdef0123456789abcdef')}`,
    RATE_LIMIT_QUOTA_PER_MINUTE: String(QUOTA_PER_MINUTE),
    CORS_ORIGINS: PAGE,
  };
  connection = await mongoose.createConnection(env.MONGODB_URI, { autoIndex: false, autoCreate: false }).asPromise();
  models = createModels(connection, systemClock());
  const started = await Promise.all(RUNTIMES.map((runtime) => startRuntime(runtime, env)));
  for (const server of started) servers.set(server.runtime, server);
}, START_PATIENCE_MS);

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.end()));
  await connection.close();
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

    expect((await statusesOf(await ask(runtime, `${location}/events`, { headers }))).at(-1)).toBe('completed');
    const { outputImages } = generation.parse(await (await ask(runtime, location, { headers })).json());
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

  it('a stream tells the present state, what another process does to it, and ends; who was cut off gets the rest', {
    timeout: PATIENCE_MS,
  }, async () => {
    const { follow, cancel } = await waiting(runtime);
    const response = await follow();
    const events = eventsOf(response);
    expect(response.headers.get('Content-Type')).toBe('text/event-stream');
    expect(await events.next()).toMatchObject({ id: '0-pending', status: 'pending' });
    expect((await cancel(after(runtime))).status).toBe(200);
    expect(await events.next()).toMatchObject({ id: '1-cancelled', status: 'cancelled' });
    expect(await events.next()).toBeNull();

    expect(await statusesOf(await follow({ seen: '0-pending' }))).toEqual(['cancelled']);
    expect((await follow({ seen: '1-cancelled' })).status).toBe(204);
    await untilStreams(runtime, 0);
  });

  it('a stream whose client goes away is forgotten, whether it was reading or not', {
    timeout: PATIENCE_MS,
  }, async () => {
    const { follow } = await waiting(runtime);
    const leaving = new AbortController();
    const responses = await Promise.all([1, 2, 3].map(() => follow({ signal: leaving.signal })));
    const [reading] = responses.map(eventsOf);
    await reading?.next();
    const cutOff = expect(reading?.next()).rejects.toThrow();
    await untilStreams(runtime, 3);
    leaving.abort();
    await cutOff;
    await untilStreams(runtime, 0);
  });

  it('a body that is too large is refused with an answer, however many come at once', async () => {
    const headers = await people.newcomer();
    const body = 'x'.repeat(1_100_000);
    const refused = await Promise.all(
      Array.from({ length: 16 }, async () => problemOf(await post(runtime, '/v1/generations', body, headers))),
    );
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['payload_too_large']));
  });

  it('a page of a configured origin may ask, and no other', async () => {
    const preflight = (origin: string) =>
      ask(runtime, '/v1/generations', {
        method: 'OPTIONS',
        headers: {
          Origin: origin,
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'authorization,content-type',
        },
      });
    const allowed = await preflight(PAGE);
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('Access-Control-Allow-Origin')).toBe(PAGE);
    expect(allowed.headers.get('Access-Control-Allow-Methods')).toContain('POST');
    expect(allowed.headers.get('Access-Control-Allow-Headers')).toContain('Authorization');
    expect((await preflight('https://evil.example')).headers.get('Access-Control-Allow-Origin')).toBeNull();

    const authorization = await people.newcomer();
    const asked = await ask(runtime, '/v1/quota', { headers: { ...authorization, Origin: PAGE } });
    expect(asked.status).toBe(200);
    expect(asked.headers.get('Access-Control-Allow-Origin')).toBe(PAGE);
    expect(asked.headers.get('Access-Control-Expose-Headers')).toContain('RateLimit');
    expect(asked.headers.get('Vary')).toContain('Origin');
    const foreign = await ask(runtime, '/v1/quota', { headers: { ...authorization, Origin: 'https://evil.example' } });
    expect(foreign.headers.get('Access-Control-Allow-Origin')).toBeNull();
  });

  it('answers tell what is left of the limit, and one more than it is 429', { timeout: PATIENCE_MS }, async () => {
    const headers = await people.newcomer();
    const first = await ask(runtime, '/v1/quota', { headers });
    expect(first.headers.get('RateLimit-Policy')).toBe(`"quota";q=${QUOTA_PER_MINUTE};w=60`);
    expect(first.headers.get('RateLimit')).toMatch(
      new RegExp(`^"quota";r=${QUOTA_PER_MINUTE - 1};t=(?:[1-5]?\\d|60)$`),
    );
    const others = await Promise.all(
      Array.from({ length: QUOTA_PER_MINUTE - 1 }, () => ask(runtime, '/v1/quota', { headers })),
    );
    await Promise.all(others.map((response) => response.arrayBuffer()));
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set([200]));

    const refused = await ask(runtime, '/v1/quota', { headers });
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0);
    expect(refused.headers.get('RateLimit')).toMatch(/^"quota";r=0;t=\d+$/);
    expect(await problemOf(refused)).toMatchObject({ status: 429, code: 'rate_limited' });
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

/** Another one than this. */
const after = (runtime: RuntimeName) => RUNTIMES[(RUNTIMES.indexOf(runtime) + 1) % RUNTIMES.length] ?? runtime;

/** What a stream tells until its end. */
async function statusesOf(response: Response): Promise<string[]> {
  expect(response.status).toBe(200);
  const events = eventsOf(response);
  const statuses: string[] = [];
  for (let event = await events.next(); event; event = await events.next()) statuses.push(event.status);
  return statuses;
}

/** Somebody whose one slot another generation holds, so that the one at `path` waits until it is cancelled. */
async function waiting(runtime: RuntimeName) {
  const headers = await people.newcomer();
  const me = z.object({ id: z.string() }).parse(await (await ask(runtime, '/v1/me', { headers })).json());
  await models.ImageGeneration.create({ ...IMAGE, userId: me.id, slot: 0 });
  const created = await post(runtime, '/v1/generations', IMAGE, headers);
  const { id } = generation.parse(await created.json());
  const path = `/v1/generations/${id}`;
  return {
    follow: (init: { seen?: string; signal?: AbortSignal } = {}) =>
      ask(runtime, `${path}/events`, {
        headers: { ...headers, ...(init.seen !== undefined && { 'Last-Event-ID': init.seen }) },
        ...(init.signal && { signal: init.signal }),
      }),
    cancel: (on: RuntimeName) => post(on, `${path}/cancel`, undefined, headers),
  };
}

async function untilStreams(runtime: RuntimeName, count: number): Promise<void> {
  for (;;) {
    const samples = parseExposition(await (await ask(runtime, '/metrics')).text());
    if (sumOf(samples, 'artifex_event_streams') === count) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
