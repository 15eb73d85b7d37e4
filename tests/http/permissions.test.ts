import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Audience, fieldsFor, PERMISSIONS, type Resource } from '@/domain/permissions.ts';
import { type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';

const schema = z.looseObject({
  $ref: z.string().optional(),
  type: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  additionalProperties: z.unknown().optional(),
  'x-resource': z.string().optional(),
  'x-read-by': z.string().optional(),
  'x-written-by': z.string().optional(),
});
const body = z.object({ content: z.record(z.string(), z.object({ schema: z.unknown() })).optional() });
const operation = z.object({ requestBody: body.optional(), responses: z.record(z.string(), body) });
const document = z.object({
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
});

const store = useDatabase();
let app: TestApplication;
let api: z.output<typeof document>;
beforeAll(async () => {
  app = await testApplication(store);
  api = document.parse(await (await app.request('/openapi.json')).json());
});

const isResource = (name: string | undefined): name is Resource => name !== undefined && name in PERMISSIONS;

/** For whom a route is, by its address. */
function audienceOf(path: string): Audience {
  if (path.startsWith('/v1/admin/')) return 'admin';
  return path.startsWith('/v1/worker/') ? 'worker' : 'self';
}

function* bodiesOf(isOurs: (path: string) => boolean) {
  for (const [path, methods] of Object.entries(api.paths)) {
    if (!isOurs(path)) continue;
    for (const [method, { requestBody, responses }] of Object.entries(methods)) {
      const at = `${method} ${path}`;
      for (const { schema: sent } of Object.values(requestBody?.content ?? {})) {
        yield { at, deed: 'write' as const, by: audienceOf(path), sent };
      }
      for (const [status, { content = {} }] of Object.entries(responses)) {
        for (const { schema: sent } of Object.values(status.startsWith('2') ? content : {})) {
          yield { at, deed: 'read' as const, by: audienceOf(path), sent };
        }
      }
    }
  }
}

/** Every object that a schema lets through, with references followed. */
function objectsIn(value: unknown): z.output<typeof schema>[] {
  const { $ref, ...given } = schema.parse(value ?? {});
  const named = $ref === undefined ? given : schema.parse(api.components.schemas[$ref.split('/').at(-1) ?? '']);
  const inside = [...Object.values(named.properties ?? {}), named.items, ...(named.anyOf ?? [])];
  const parts = inside.filter((part) => part !== undefined).flatMap(objectsIn);
  return named.type === 'object' || named.properties ? [named, ...parts] : parts;
}

/** A page of a list is an envelope, and no resource itself. */
const isPage = ({ properties = {} }: z.output<typeof schema>) => Object.keys(properties).join() === 'data,nextCursor';

describe('the description of the API and the table of permissions', () => {
  it('agree: every object that enters or leaves is one of the table, for the right reader or writer', () => {
    let checked = 0;
    for (const { at, deed, by, sent } of bodiesOf((path) => path.startsWith('/v1/'))) {
      for (const object of objectsIn(sent)) {
        if (isPage(object)) continue;
        const resource = object['x-resource'];
        if (!isResource(resource))
          throw new Error(`${at}: an object with ${Object.keys(object.properties ?? {})} is in no table`);
        expect(object[deed === 'read' ? 'x-read-by' : 'x-written-by'], `${at}: ${resource}`).toBe(by);
        const allowed = fieldsFor(resource, deed, by);
        for (const field of Object.keys(object.properties ?? {})) {
          expect(allowed, `${at}: ${resource}.${field}`).toContain(field);
          checked += 1;
        }
        if (deed === 'write') expect(object.additionalProperties, at).toBe(false);
      }
    }
    expect(checked).toBeGreaterThan(60);
  });

  it('agree that whoever has no token is shown nothing of the table', () => {
    for (const { at, sent } of bodiesOf((path) => !path.startsWith('/v1/'))) {
      for (const object of objectsIn(sent)) expect(object['x-resource'], at).toBeUndefined();
    }
  });
});

describe('an answer', () => {
  it('has the fields that are described, and none of what the database keeps besides', async () => {
    const person = await app.person();
    const made = await person.post('/v1/generations', { type: 'text-to-image', prompt: 'A lake' });
    expect(Object.keys(await made.json()).toSorted()).toEqual(fieldsFor('ImageGeneration', 'read', 'self').toSorted());
    const me = z.record(z.string(), z.unknown()).parse(await (await person.get('/v1/me')).json());
    const shown = fieldsFor('User', 'read', 'self');
    for (const field of Object.keys(me)) expect(shown).toContain(field);
    expect(me).not.toHaveProperty('openEntries');
  });
});

describe('a body', () => {
  const generation = { type: 'text-to-image', prompt: 'A lake' };

  it.each([
    'credits',
    'status',
    'userId',
    'charge',
    'metadata',
    'isDeleted',
    'subscriptionTier',
    'monthlyUsage',
    '_id',
  ])('that sets %s is refused', async (field) => {
    const person = await app.person();
    const answer = await person.post('/v1/generations', { ...generation, [field]: 1 });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'validation_failed', errors: [{ path: field }] });
  });

  it.each([
    ['an operator', '{"type":"text-to-image","prompt":{"$gt":""}}', 'prompt'],
    ['an operator of its own', '{"type":"text-to-image","prompt":"a","$where":"1"}', '$where'],
    ['a path into another field', '{"type":"text-to-image","prompt":"a","charge.credits":0}', 'charge.credits'],
    ['__proto__', '{"type":"text-to-image","prompt":"a","__proto__":{"credits":0}}', '__proto__'],
    ['constructor', '{"constructor":{"prototype":{"credits":0}},"type":"text-to-image","prompt":"a"}', 'constructor'],
  ])('with %s is refused by the name of it', async (_name, text, path) => {
    const person = await app.person();
    {
      const answer = await person.raw('/v1/generations', text);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({
        code: 'validation_failed',
        errors: expect.arrayContaining([expect.objectContaining({ path })]),
      });
    }
    expect(await store.models.ImageGeneration.countDocuments({ prompt: 'a' })).toBe(0);
  });

  it('that is nested deeper than a stack is refused like any other', async () => {
    const person = await app.person();
    const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
    expect((await person.raw('/v1/generations', deep)).status).toBe(400);
  });

  it.each(['status[$ne]=failed', 'status[]=failed', 'status.$ne=failed', '$where=1', '__proto__=1', 'limit[$gt]=1'])(
    'or a query with %s is refused',
    async (query) => {
      const person = await app.person();
      expect((await person.get(`/v1/generations?${query}`)).status).toBe(400);
    },
  );

  it('may say anything in a text', async () => {
    const person = await app.person();
    const prompt = '$where: __proto__ {"$gt": ""} a.b';
    const answer = await person.post('/v1/generations', { ...generation, prompt });
    expect([answer.status, await answer.json()]).toMatchObject([201, { prompt }]);
  });
});
