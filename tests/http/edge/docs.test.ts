import { Hono } from 'hono';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ERROR_STATUS } from '../../../src/domain/errors.ts';
import { authenticate } from '../../../src/middleware/auth.ts';
import type { UserEnv } from '../../../src/middleware/context.ts';
import { describe as describeRoute } from '../../../src/middleware/describe.ts';
import { idempotencyKey } from '../../../src/middleware/idempotencyKey.ts';
import { jsonBody, params, query } from '../../../src/middleware/validate.ts';
import { docsRoutes } from '../../../src/routes/docs.ts';
import { healthRoutes } from '../../../src/routes/health.ts';
import { openApiOf } from '../../../src/routes/openapi.ts';
import { pageOf, pageQuery } from '../../../src/routes/schemas.ts';
import { edgeWith, problemOf } from '../../support/api.ts';
import { createTokenIssuer, type TokenIssuer } from '../../support/tokens.ts';

const thing = z
  .object({ id: z.string(), name: z.string().describe('Shown `as it is`, <b>unescaped</b>.') })
  .meta({ id: 'Thing' });
const newThing = z.strictObject({ name: z.string().min(1).max(64), count: z.int().min(1).max(4).default(1) });

let clerk: TokenIssuer;
beforeAll(async () => {
  clerk = await createTokenIssuer();
});

function api(isConnected = true) {
  return edgeWith((edge) => {
    edge.route('/', healthRoutes({ health: async () => ({ isConnected, name: 'artifex' }) }));
    edge.route(
      '/',
      docsRoutes(() => openApiOf(edge)),
    );
    edge.route(
      '/v1/things',
      new Hono<UserEnv>()
        .use(authenticate(clerk.trust))
        .get(
          '/',
          describeRoute({
            summary: 'List',
            tags: ['things'],
            answers: { 200: { description: 'A page.', schema: pageOf(thing) } },
          }),
          query(pageQuery),
          (c) => c.json({ data: [], nextCursor: null }),
        )
        .post(
          '/',
          describeRoute({
            summary: 'Make',
            tags: ['things'],
            answers: { 201: { description: 'Made.', schema: thing, headers: { Location: 'Where it is.' } } },
            errors: ['insufficient_quota', 'conflict', 'lease_lost'],
          }),
          idempotencyKey(),
          jsonBody(newThing),
          (c) => c.json({ id: '1', name: c.req.valid('json').name }, 201),
        )
        .get(
          '/:id',
          describeRoute({ summary: 'One', tags: ['things'], answers: { 200: { description: 'It.', schema: thing } } }),
          params(z.object({ id: z.string() })),
          (c) => c.json({ id: '1', name: 'x' }),
        ),
    );
  });
}

describe('health', () => {
  it('/healthz answers while the process lives, whatever the database does', async () => {
    const response = await api(false).app.request('/healthz');

    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
  });

  it('/readyz shows the database while it is there', async () => {
    const response = await api().app.request('/readyz');

    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ok', database: { isConnected: true, name: 'artifex' } });
  });

  it('/readyz is 503 unavailable while it is not', async () => {
    const response = await api(false).app.request('/readyz');

    expect((await problemOf(response.clone())).code).toBe('unavailable');
    expect(response.headers.get('Retry-After')).toBeTruthy();
  });
});

describe('/openapi.json', () => {
  const operation = z.looseObject({
    operationId: z.string(),
    parameters: z.array(z.looseObject({ in: z.string(), name: z.string() })).optional(),
    responses: z.record(z.string(), z.looseObject({ content: z.record(z.string(), z.unknown()).optional() })),
  });
  const document = z.looseObject({
    openapi: z.string(),
    paths: z.record(z.string(), z.record(z.string(), operation)),
    components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }),
  });

  async function described() {
    return document.parse(await (await api().app.request('/openapi.json')).json());
  }
  const problemRef = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };

  it('is OpenAPI 3.1 with every route', async () => {
    const { openapi, paths } = await described();

    expect(openapi).toMatch(/^3\.1\./);
    expect(Object.keys(paths).sort()).toEqual([
      '/docs',
      '/docs/style.css',
      '/healthz',
      '/openapi.json',
      '/readyz',
      '/v1/things',
      '/v1/things/{id}',
    ]);
  });

  it('shows the body that is validated', async () => {
    const { paths } = await described();

    expect(paths['/v1/things']?.['post']).toMatchObject({
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              additionalProperties: false,
              required: ['name'],
              properties: {
                name: { type: 'string', minLength: 1, maxLength: 64 },
                count: { type: 'integer', minimum: 1, maximum: 4, default: 1 },
              },
            },
          },
        },
      },
      parameters: [
        { in: 'header', name: 'Idempotency-Key' },
        { in: 'header', name: 'X-Request-Id' },
      ],
    });
  });

  it('shows numbers of a query as numbers, and the parameters of a path as required', async () => {
    const { paths } = await described();

    expect(paths['/v1/things']?.['get']?.parameters).toEqual([
      {
        in: 'query',
        name: 'limit',
        description: 'Entries per page.',
        schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
      },
      {
        in: 'query',
        name: 'cursor',
        description: expect.any(String),
        schema: { type: 'string', minLength: 1, maxLength: 512 },
      },
      expect.objectContaining({ in: 'header', name: 'X-Request-Id' }),
    ]);
    expect(paths['/v1/things/{id}']?.['get']?.parameters).toContainEqual(
      expect.objectContaining({ in: 'path', name: 'id', required: true }),
    );
  });

  it('shows every error as the problem that it is, and no other shape', async () => {
    const { paths } = await described();
    const errors = Object.values(paths)
      .flatMap((methods) => Object.values(methods))
      .flatMap(({ responses }) => Object.entries(responses))
      .filter(([status]) => !status.startsWith('2'));

    expect(errors.length).toBeGreaterThan(10);
    for (const [, answer] of errors) {
      expect(answer.content).toEqual(problemRef);
    }
  });

  it('names the errors of a body, of a token and of the route', async () => {
    const { paths } = await described();
    const responses = paths['/v1/things']?.['post']?.responses ?? {};

    expect(Object.keys(responses)).toEqual(['201', '400', '401', '402', '409', '413', '415', 'default']);
    expect(responses['409']).toMatchObject({ description: '`conflict`, `lease_lost`' });
  });

  it('asks for a session where one is needed, and only there', async () => {
    const { paths, components } = await described();

    expect(paths['/v1/things']?.['get']).toMatchObject({ security: [{ session: [] }] });
    expect(paths['/healthz']?.['get']).not.toHaveProperty('security');
    expect(components).toMatchObject({ securitySchemes: { session: { type: 'http', scheme: 'bearer' } } });
  });

  it('names its operations once each', async () => {
    const { paths } = await described();
    const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));

    expect(new Set(ids).size).toBe(ids.length);
  });

  it('holds what each of its references points to', async () => {
    const text = JSON.stringify(await described());
    const { components } = await described();

    for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      expect(components.schemas).toHaveProperty(name);
    }
  });
});

describe('/docs', () => {
  async function page() {
    const response = await api().app.request('/docs');
    return { response, text: await response.text() };
  }

  it('is a page with every operation, its body and its answers', async () => {
    const { response, text } = await page();

    expect(response.headers.get('Content-Type')).toBe('text/html; charset=UTF-8');
    for (const shown of [
      'GET /healthz',
      'POST /v1/things',
      'GET /v1/things/{id}',
      'Idempotency-Key',
      'count',
      'Thing',
    ]) {
      expect(text).toContain(shown);
    }
  });

  it('has an anchor for every error code, where the type of a problem points', async () => {
    const { app } = api();
    const { text } = await page();

    for (const code of Object.keys(ERROR_STATUS)) {
      expect(text).toContain(`id="${code}"`);
    }
    const { type } = await problemOf(await app.request('/nope'));
    expect((await app.request(type)).status).toBe(200);
  });

  it('has every anchor that it links to, once', async () => {
    const { text } = await page();
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);

    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of text.matchAll(/href="#([^"]+)"/g)) {
      expect(ids).toContain(target);
    }
  });

  it('loads nothing from another host, and runs no script', async () => {
    const { response, text } = await page();

    expect(text).not.toMatch(/<script|(?:src|href)="(?:https?:)?\/\//);
    expect(response.headers.get('Content-Security-Policy')).toContain("default-src 'none'");
    expect((await api().app.request('/docs/style.css')).headers.get('Content-Type')).toBe('text/css; charset=utf-8');
  });

  it('escapes what schemas say', async () => {
    const { text } = await page();

    expect(text).toContain('Shown <code>as it is</code>, &lt;b&gt;unescaped&lt;/b&gt;.');
  });
});
