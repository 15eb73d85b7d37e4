import { Types } from 'mongoose';
import { afterAll, describe, expect, it } from 'vitest';
import { deleteUser } from '@/repositories/accounts.ts';
import { problemOf } from '../../support/api.ts';
import type { Caller } from '../../support/application.ts';
import { openShop } from '../../support/billing.ts';
import { useDatabase } from '../../support/database.ts';
import { type JsonSchema, type Operation, readDescription } from '../../support/openapi.ts';
import { createTokenIssuer } from '../../support/tokens.ts';
import { addressOf, type Call, callOf, send, TOKENS } from './calls.ts';

/**
 * Walks /openapi.json: each operation is called as it is described, and wrongly in every way that it describes, and has to answer as
 * described. A route that is added later is walked without a line here.
 */
const store = useDatabase();
const shop = await openShop(store);
const api = shop.app;
afterAll(() => shop.server.close());
const stranger = await createTokenIssuer();
const described = await readDescription(await api.request('/openapi.json'));

const named = (operations: Operation[]) => operations.map((each) => [`${each.method} ${each.path}`, each] as const);
const secured = described.operations.filter(({ schemes }) => schemes.length > 0);
const withBody = secured.filter(({ body }) => body !== undefined);
const withoutBody = secured.filter(({ body, method }) => body === undefined && !['GET', 'DELETE'].includes(method));
const withParams = described.operations.filter(({ path }) => path.includes('{'));
const ownResources = withParams.filter(({ schemes }) => schemes.includes('session'));

/** A call that succeeds, with the token that it needs; resources are of whoever holds it. */
async function goodCall(operation: Operation): Promise<Call & { token: string | undefined; owner: Caller }> {
  const owner = await api.person();
  const [scheme] = operation.schemes;
  const call = await callOf(described, operation, { api, owner, stripe: shop.server });
  if (scheme === undefined) return { ...call, token: undefined, owner };
  if (scheme === 'session') return { ...call, token: owner.token, owner };
  const make = TOKENS[scheme];
  if (!make) throw new Error(`Nobody says how to get a token of ${scheme}: see tests/http/contract/calls.ts`);
  return { ...call, token: await make(api), owner };
}

async function expectRefusal(operation: Operation, response: Response, status: number, code?: string) {
  const copy = response.clone();
  const problem = await problemOf(response);
  expect(problem).toMatchObject({ status, ...(code !== undefined && { code }) });
  await described.check(operation, copy);
  return problem;
}

describe('every operation', () => {
  it('is found, and needs schemes that are described', () => {
    expect(described.operations.length).toBeGreaterThan(20);
    const schemes = new Set(described.operations.flatMap((each) => each.schemes));
    expect(described.securitySchemes).toEqual(expect.arrayContaining([...schemes]));
  });

  it('has a name of its own', () => {
    const ids = described.operations.map(({ operationId }) => operationId);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  it('stands in a part of the reference that says what it is about', async () => {
    const { tags } = described;
    expect(described.operations.flatMap((each) => each.tags.filter((tag) => !tags.has(tag)))).toEqual([]);
    const page = await (await api.request('/docs')).text();
    const headings = [...page.matchAll(/<h2 id="tag-([^" ]+)">/g)].map(([, tag]) => tag?.replaceAll('-', ' '));
    expect(headings).toEqual([...tags]);
  });

  it('under /v1 needs a token', () => {
    const open = described.operations.filter(({ path, schemes }) => path.startsWith('/v1/') && schemes.length === 0);
    expect(open.map(({ path }) => path)).toEqual([]);
  });

  it.each(named(described.operations))('%s answers a good call as described', async (_, operation) => {
    const call = await goodCall(operation);
    const response = await send(api, operation, call);
    expect([response.status, response.status < 300 ? '' : await response.clone().text()]).toEqual([
      expect.toSatisfy((status: number) => status >= 200 && status < 300),
      '',
    ]);
    await described.check(operation, response);
  });

  it.each(named(described.operations))('%s repeats the id of a request', async (_, operation) => {
    const { params } = await goodCall(operation);
    const headers = { 'X-Request-Id': 'my-request.1' };
    const response = await api.request(addressOf(operation.path, params), { method: operation.method, headers });
    expect(response.headers.get('X-Request-Id')).toBe('my-request.1');
    await response.body?.cancel();
  });

  it.each(named(described.operations))('%s is joined by no other method', async (_, operation) => {
    const methods = described.operations.filter(({ path }) => path === operation.path).map(({ method }) => method);
    const other = ['PUT', 'PATCH', 'DELETE', 'POST'].find((method) => !methods.includes(method)) ?? 'PURGE';
    const response = await api.request(addressOf(operation.path, { id: 'x', name: 'x' }), { method: other });
    expect(await problemOf(response)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(response.headers.get('Allow')?.split(', ')).toEqual(expect.arrayContaining(methods));
  });
});

describe('an operation that needs a token', () => {
  it.each(named(secured))('%s is 401 without one, and with any that is wrong', async (_, operation) => {
    const { token: __, ...call } = await goodCall(operation);
    const asAdmin = { metadata: { role: 'admin' } };
    const wrong = {
      none: undefined,
      empty: '',
      'a word': 'nonsense',
      'three parts': 'a.b.c',
      'a machine': 'ak_machine',
      expired: await api.issuer.sign({ ...asAdmin, exp: Math.floor(Date.now() / 1000) - 3600 }),
      'of another issuer': await api.issuer.sign({ ...asAdmin, iss: 'https://clerk.example.org' }),
      'signed by another key': await stranger.sign(asAdmin),
      'signed with the public key as a secret': await api.issuer.signWithPublicKeyAsSecret(asAdmin),
      'alg: none': api.issuer.unsigned(asAdmin),
    };
    for (const [name, token] of Object.entries(wrong)) {
      const response = await send(api, operation, { ...call, token });
      const { code } = await expectRefusal(operation, response, 401);
      expect([name, code]).toEqual([name, 'unauthenticated']);
    }
  });

  it.each(named(secured.filter(({ schemes }) => schemes.includes('admin'))))(
    '%s is 403 for whoever has no role',
    async (_, operation) => {
      const call = await goodCall(operation);
      const response = await send(api, operation, { ...call, token: call.owner.token });
      await expectRefusal(operation, response, 403, 'forbidden');
    },
  );

  it.each(named(secured.filter(({ schemes }) => schemes.includes('session'))))(
    '%s is 403 for a deleted account',
    async (_, operation) => {
      const call = await goodCall(operation);
      await call.owner.get('/v1/me');
      await deleteUser(store, { clerkUserId: call.owner.clerkUserId }, { kind: 'library' });
      await expectRefusal(operation, await send(api, operation, call), 403, 'account_deleted');
    },
  );

  it.each(named(secured))('%s refuses a parameter that it does not know', async (_, operation) => {
    const response = await send(api, operation, { ...(await goodCall(operation)), search: '?unknownParameter=1' });
    const { errors } = await expectRefusal(operation, response, 400, 'validation_failed');
    expect(errors?.map(({ path }) => path)).toEqual(['unknownParameter']);
  });

  const queries = secured.flatMap((operation) =>
    operation.parameters
      .filter((parameter) => parameter.in === 'query')
      .map((parameter) => [`${operation.method} ${operation.path}`, parameter.name, operation, parameter] as const),
  );
  it.each(queries)(
    '%s refuses a ?%s that is not as described, and one that stands twice',
    async (_, name, operation, parameter) => {
      const call = await goodCall(operation);
      const wrong = ['', 'nonsense\0', '-1', '1e3', '1.5', '9'.repeat(400), '{"$gt":""}', 'x'.repeat(5000)];
      const refused = wrong.filter((value) => !acceptsText(parameter.schema, value));
      const searches = refused.map((value) => `?${name}=${encodeURIComponent(value)}`);
      expect(searches.length).toBeGreaterThan(0);
      for (const search of [...searches, `?${name}=1&${name}=2`, `?${name}[$ne]=1`]) {
        const response = await send(api, operation, { ...call, search });
        await expectRefusal(operation, response, 400, 'validation_failed');
      }
    },
  );
});

/** Whether the text of a parameter stands for a value that its schema accepts. */
function acceptsText(schema: JsonSchema, text: string): boolean {
  const isNumber = schema['type'] === 'integer' || schema['type'] === 'number';
  return described.accepts(schema, isNumber && /^\d+$/.test(text) ? Number(text) : text);
}

describe('an operation with a body', () => {
  it.each(named(withBody))('%s refuses what is no JSON object', async (_, operation) => {
    const call = await goodCall(operation);
    for (const raw of ['', '{', '{"a":1', 'null x', "{'a':1}", new Uint8Array([0x22, 0xff, 0x22])]) {
      await expectRefusal(operation, await send(api, operation, { ...call, raw }), 400, 'malformed_json');
    }
    for (const raw of ['null', '[]', '"text"', '1', 'true']) {
      await expectRefusal(operation, await send(api, operation, { ...call, raw }), 400, 'validation_failed');
    }
  });

  it.each(named(withBody))('%s refuses an unknown field by its name', async (_, operation) => {
    const call = await goodCall(operation);
    for (const field of ['unknownField', '$set', 'a.b', 'constructor']) {
      const body = { ...Object(call.body), [field]: 1 };
      const { errors } = await expectRefusal(operation, await send(api, operation, { ...call, body }), 400);
      expect(errors?.map(({ path }) => path)).toContain(field);
    }
  });

  it.each(named(withBody))(
    '%s refuses each field that is missing or of another type than described',
    async (_, operation) => {
      const call = await goodCall(operation);
      const schema = described.resolved(operation.body ?? {});
      const properties = Object(schema['properties']);
      for (const field of [Object(schema['required'] ?? [])].flat()) {
        const { [field]: __, ...body } = Object(call.body);
        await expectRefusal(operation, await send(api, operation, { ...call, body }), 400, 'validation_failed');
      }
      for (const [field, expected] of Object.entries<JsonSchema>(properties)) {
        const wrong = [-1.5, 'nonsense\0', [], [[]], {}, { $gt: '' }, null, true, 1e300, ''];
        for (const value of wrong.filter((candidate) => !described.accepts(expected, candidate))) {
          const body = { ...Object(call.body), [field]: value };
          const { errors } = await expectRefusal(operation, await send(api, operation, { ...call, body }), 400);
          const paths = errors?.map(({ path }) => path.split('.')[0]);
          expect(paths, `${field}: ${JSON.stringify(value)}`).toContain(field);
        }
      }
    },
  );

  it.each(named(withBody))('%s refuses another content type, and more than a MiB', async (_, operation) => {
    const call = await goodCall(operation);
    for (const contentType of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1']) {
      const response = await send(api, operation, { ...call, contentType });
      await expectRefusal(operation, response, 415, 'unsupported_media_type');
    }
    const raw = JSON.stringify({ text: 'x'.repeat(1024 * 1024) });
    await expectRefusal(operation, await send(api, operation, { ...call, raw }), 413, 'payload_too_large');
  });

  it.each(named(withoutBody))('or one that takes none, %s, refuses what is said in it', async (_, operation) => {
    const call = await goodCall(operation);
    const bodied = await send(api, operation, { ...call, body: { unknownField: 1 } });
    expect((await expectRefusal(operation, bodied, 400)).errors).toMatchObject([{ path: 'unknownField' }]);
    await expectRefusal(operation, await send(api, operation, { ...call, raw: '{' }), 400, 'malformed_json');
    const other = await send(api, operation, { ...call, raw: 'x', contentType: 'text/plain' });
    await expectRefusal(operation, other, 415, 'unsupported_media_type');
  });
});

describe('an operation on a resource', () => {
  it.each(named(withParams))('%s does not find what is not there', async (_, operation) => {
    const call = await goodCall(operation);
    for (const id of [
      new Types.ObjectId().toHexString(),
      'nonsense',
      '0'.repeat(24),
      '%00',
      '%F0%9F%98%80',
      '$ne',
      'x'.repeat(2000),
    ]) {
      const params = Object.fromEntries(Object.keys(call.params ?? {}).map((name) => [name, id]));
      await expectRefusal(operation, await send(api, operation, { ...call, params }), 404, 'not_found');
    }
  });

  it.each(named(ownResources))("%s does not find somebody else's", async (_, operation) => {
    const call = await goodCall(operation);
    const { token } = await api.person();
    await expectRefusal(operation, await send(api, operation, { ...call, token }), 404, 'not_found');
  });
});

describe('an example in the description', () => {
  it.each(Object.entries(described.schemas))('of %s is one', (_, schema) => {
    for (const example of [Object(schema['examples'] ?? [])].flat()) {
      expect([example, described.accepts(schema, example)]).toEqual([example, true]);
    }
  });
});
