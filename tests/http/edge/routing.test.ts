import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { ArtifexError } from '../../../src/domain/errors.ts';
import { edgeWith, problemOf } from '../../support/api.ts';

const { app } = edgeWith((edge) => {
  const things = new Hono()
    .use(() => {
      throw new ArtifexError('unauthenticated', 'Who are you?');
    })
    .get('/', (c) => c.json([]))
    .post('/', (c) => c.json({}, 201))
    .get('/:id', (c) => c.json({ id: c.req.param('id') }))
    .delete('/:id', (c) => c.body(null, 204));
  edge.route('/v1/things', things);
  edge.get('/open', (c) => c.text('open'));
  edge.get('/missing', (c) => c.notFound());
});

describe('404 not_found', () => {
  it.each(['/', '/nope', '/v1', '/v1/nope', '/v1/things/', '/v1/things/1/2', '/open/', '//open', '/%E0%A4%A', '/OPEN'])(
    'for %s, with every method and without a token',
    async (path) => {
      for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
        expect((await problemOf(await app.request(path, { method }))).code).toBe('not_found');
      }
    },
  );

  it('for a handler that finds nothing', async () => {
    expect((await problemOf(await app.request('/missing'))).code).toBe('not_found');
  });
});

describe('405 method_not_allowed', () => {
  it.each([
    ['/v1/things', 'PUT', 'GET, HEAD, OPTIONS, POST'],
    ['/v1/things', 'DELETE', 'GET, HEAD, OPTIONS, POST'],
    ['/v1/things/7', 'POST', 'DELETE, GET, HEAD, OPTIONS'],
    ['/open', 'PATCH', 'GET, HEAD, OPTIONS'],
    ['/open', 'PROPFIND', 'GET, HEAD, OPTIONS'],
  ])('for %s with %s, before a token is asked for', async (path, method, allow) => {
    const response = await app.request(path, { method });

    expect((await problemOf(response.clone())).code).toBe('method_not_allowed');
    expect(response.headers.get('Allow')).toBe(allow);
  });
});

describe('a known path and method', () => {
  it('goes on to the middleware of its module', async () => {
    expect((await app.request('/v1/things')).status).toBe(401);
  });

  it('takes HEAD as GET without a body', async () => {
    const response = await app.request('/open', { method: 'HEAD' });

    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
  });

  it('tells its methods to OPTIONS', async () => {
    const response = await app.request('/v1/things/7', { method: 'OPTIONS' });

    expect(response.status).toBe(204);
    expect(response.headers.get('Allow')).toBe('DELETE, GET, HEAD, OPTIONS');
  });
});
