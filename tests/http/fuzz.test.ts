import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { problemSchema } from '@/middleware/problemSchema.ts';
import type { Caller, TestApplication } from '../support/application.ts';
import { openShop } from '../support/billing.ts';
import { useDatabase } from '../support/database.ts';
import { type Operation, readDescription } from '../support/openapi.ts';
import { addressOf, callOf, TOKENS } from './contract/calls.ts';
import { hostileText, hostileValue, nearly } from './contract/hostile.ts';

/**
 * Random requests made from /openapi.json, from nearly right to hostile. Whatever comes is answered as described, and never by a fault
 * of the server. `FUZZ_REQUESTS` says how many, `FUZZ_SEED` repeats a run.
 */
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 2_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Requests made by one set of people, so that none of them runs into the limit of requests for long. */
const REQUESTS_PER_CAST = 200;

const store = useDatabase();
const shop = await openShop(store);
const api = shop.app;
afterAll(() => shop.server.close());
const described = await readDescription(await api.request('/openapi.json'));

interface Draft {
  operation: Operation;
  params: string | null;
  search: string;
  body: string | Uint8Array<ArrayBuffer> | undefined;
  headers: Record<string, string>;
  auth: 'right' | 'none' | 'other' | 'broken';
}

const rarely = <T>(usual: fc.Arbitrary<T>, seldom: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 7, arbitrary: usual }, { weight: 1, arbitrary: seldom });

const bytes = fc.uint8Array({ maxLength: 64 }).map((raw) => new Uint8Array(raw));

function bodies({ body, method }: Operation): fc.Arbitrary<Draft['body']> {
  if (method === 'GET') return fc.constant(undefined);
  const json = (value: unknown) => JSON.stringify(value) ?? '';
  const near = body ? nearly(body, described.resolved).map(json) : fc.constantFrom(undefined, '{}', '');
  const far = fc.oneof(hostileValue.map(json), hostileText, bytes, fc.constant('{"a":1,"a":2,"__proto__":{}}'));
  return rarely<Draft['body']>(near, far);
}

function searches({ parameters }: Operation): fc.Arbitrary<string> {
  const known = parameters.filter((each) => each.in === 'query');
  const pair = fc.oneof(
    ...known.map(({ name, schema }) => fc.tuple(fc.constant(name), nearly(schema, described.resolved).map(asText))),
    fc.tuple(fc.constantFrom('limit', '$where', '__proto__', 'a[$ne]', 'unknown', ''), hostileText),
  );
  const written = fc.array(pair, { maxLength: 3 }).map((pairs) => new URLSearchParams(pairs).toString());
  const usual = known.length > 0 ? fc.oneof(fc.constant(''), written) : rarely(fc.constant(''), written);
  return rarely(usual, fc.constantFrom('%', '%ff', '&&&=', 'limit=%00', 'a=1&a=2', 'limit', '=%E0%A4%A')).map(
    (query) => (query === '' ? '' : `?${query}`),
  );
}

const headers = fc.record(
  {
    'Idempotency-Key': fc.constantFrom('k', 'other', ' ', 'x'.repeat(255), 'x'.repeat(256), 'é'),
    'X-Request-Id': fc.constantFrom('fine', 'not fine', 'x'.repeat(200)),
    'Content-Type': rarely(
      fc.constant('application/json'),
      fc.constantFrom('text/plain', 'application/json;charset=utf-16', ';', 'x'),
    ),
    'Content-Encoding': rarely(fc.constant('identity'), fc.constant('gzip')),
    'Last-Event-ID': fc.constantFrom('1', 'x', '-1'),
    Accept: fc.constantFrom('*/*', 'text/event-stream', 'image/png', ';'),
  },
  { requiredKeys: [] },
);

const draft: fc.Arbitrary<Draft> = fc.constantFrom(...described.operations).chain((operation) =>
  fc.record({
    operation: fc.constant(operation),
    params: rarely(fc.constant<string | null>(null), hostileText.map(encodable)),
    search: searches(operation),
    body: bodies(operation),
    headers,
    auth: rarely<Draft['auth']>(fc.constant('right'), fc.constantFrom('none', 'other', 'broken')),
  }),
);

/** Whatever an object says of its own text. */
function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** A lone half of a pair has no encoding. */
function encodable(text: string): string {
  return encodeURIComponent(text.toWellFormed()) || '%20';
}

interface Cast {
  owner: Caller;
  tokens: Map<string, string>;
  /** Resources by the path that names them: one may have gone meanwhile, which is as good a request. */
  resources: Map<string, Record<string, string>>;
}

async function newCast(app: TestApplication): Promise<Cast> {
  const owner = await app.person();
  const tokens = new Map<string, string>([['session', owner.token]]);
  for (const [scheme, make] of Object.entries(TOKENS)) if (scheme !== 'session') tokens.set(scheme, await make(app));
  const resources = new Map<string, Record<string, string>>();
  for (const operation of described.operations.filter(({ path }) => path.includes('{'))) {
    // A worker is given one of a person at a time.
    const whose = operation.schemes.includes('session') ? owner : await app.person();
    resources.set(
      operation.path,
      (await callOf(described, operation, { api: app, owner: whose, stripe: shop.server })).params ?? {},
    );
  }
  return { owner, tokens, resources };
}

function tokenOf({ operation, auth }: Draft, { tokens }: Cast): string | undefined {
  const [scheme = 'session'] = operation.schemes;
  if (auth === 'none') return undefined;
  if (auth === 'broken') return 'a.b.c';
  return auth === 'other' ? tokens.get(scheme === 'session' ? 'admin' : 'session') : tokens.get(scheme);
}

async function ask(made: Draft, cast: Cast): Promise<{ response: Response; shown: string }> {
  const { operation, params, search, body } = made;
  const given = cast.resources.get(operation.path) ?? {};
  const named = params === null ? given : Object.fromEntries(Object.keys(given).map((name) => [name, params]));
  const token = tokenOf(made, cast);
  const url = `${addressOf(operation.path, named)}${search}`;
  const sent = new Headers();
  for (const [name, value] of Object.entries(made.headers)) sent.set(name, value);
  if (token !== undefined) sent.set('Authorization', `Bearer ${token}`);
  if (body !== undefined && !sent.has('Content-Type')) sent.set('Content-Type', 'application/json');
  const shown = `${operation.method} ${url} ${JSON.stringify(made.headers)} ${String(body).slice(0, 500)}`;
  const init = { method: operation.method, headers: sent, ...(body !== undefined && { body }) };
  return { response: await api.request(url, init), shown };
}

/** Answers of HTTP itself to an address that a hostile parameter has made another one. */
async function isOfHttp(response: Response): Promise<boolean> {
  if (![404, 405].includes(response.status)) return false;
  return problemSchema.safeParse(await response.clone().json()).success;
}

describe('the API under random requests', () => {
  it(
    `answers each as described, and none with a fault of its own (FUZZ_SEED=${SEED}, FUZZ_REQUESTS=${REQUESTS})`,
    async () => {
      console.log(`FUZZ_SEED=${SEED} FUZZ_REQUESTS=${REQUESTS}`);
      const statuses = new Map<number, number>();
      let cast = await newCast(api);
      const drafts = samples();
      for (let index = 0; index < REQUESTS; index += 1) {
        if (index % REQUESTS_PER_CAST === REQUESTS_PER_CAST - 1) cast = await newCast(api);
        const made = drafts.next().value;
        if (!made) throw new Error('There are endless drafts');
        const { response, shown } = await ask(made, cast);
        // Who has deleted their account is told so by everything else.
        if (made.operation.path === '/v1/me' && response.status === 204) cast = await newCast(api);
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
        if (made.params !== null && (await isOfHttp(response))) continue;
        await described.check(made.operation, response).catch((error: unknown) => {
          throw new Error(`Request ${index} of seed ${SEED}: ${shown}`, { cause: error });
        });
      }
      console.log('answers by status', Object.fromEntries([...statuses].sort(([a], [b]) => a - b)));
      expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([]);
      for (const status of [200, 201, 400, 401, 403, 404]) expect(statuses.get(status), `${status}`).toBeGreaterThan(0);
    },
    60_000 + REQUESTS * 50,
  );
});

/** Drafts without end, in batches that follow from the seed. */
function* samples(): Generator<Draft, undefined> {
  for (let batch = 0; ; batch += 1) yield* fc.sample(draft, { seed: SEED + batch, numRuns: 500 });
}
