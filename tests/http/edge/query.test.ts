import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { idempotencyKey } from '../../../src/middleware/idempotencyKey.ts';
import { params, query } from '../../../src/middleware/validate.ts';
import { pageQuery } from '../../../src/routes/schemas.ts';
import { edgeWith, problemOf } from '../../support/api.ts';

const listQuery = z.strictObject({ ...pageQuery.shape, status: z.enum(['open', 'done']).optional() });

const { app } = edgeWith((edge) => {
  edge.get('/things', query(listQuery), (c) => c.json(c.req.valid('query')));
  edge.get('/things/:id', params(z.object({ id: z.string().regex(/^[0-9a-f]{4}$/) })), (c) =>
    c.json(c.req.valid('param')),
  );
  edge.post('/things', idempotencyKey(), (c) => c.json({ key: c.var.idempotencyKey ?? null }));
});

describe('a query', () => {
  it.each([
    ['', { limit: 20 }],
    ['?limit=1', { limit: 1 }],
    ['?limit=100&cursor=abc&status=done', { limit: 100, cursor: 'abc', status: 'done' }],
  ])('"%s" is taken as %o', async (search, expected) => {
    expect(await (await app.request(`/things${search}`)).json()).toEqual(expected);
  });

  it.each([
    ['?limit=0', 'limit'],
    ['?limit=101', 'limit'],
    ['?limit=', 'limit'],
    ['?limit=-1', 'limit'],
    ['?limit=1.0', 'limit'],
    ['?limit=1e1', 'limit'],
    ['?limit=0x10', 'limit'],
    ['?limit=010', 'limit'],
    ['?limit=%201', 'limit'],
    ['?limit=Infinity', 'limit'],
    ['?limit=9999999999999999999', 'limit'],
    ['?limit=%D9%A1', 'limit'],
    ['?limit=1&limit=2', 'limit'],
    ['?cursor=', 'cursor'],
    [`?cursor=${'x'.repeat(513)}`, 'cursor'],
    ['?status=OPEN', 'status'],
    ['?status[$gt]=', 'status[$gt]'],
    ['?stauts=open', 'stauts'],
    ['?__proto__=x', '__proto__'],
  ])('"%s" is refused', async (search, path) => {
    const problem = await problemOf(await app.request(`/things${search}`));

    expect(problem.code).toBe('validation_failed');
    expect(problem.errors?.map((error) => error.path)).toEqual([path]);
  });
});

describe('a parameter of the path', () => {
  it('is taken when it can name something', async () => {
    expect(await (await app.request('/things/00ff')).json()).toEqual({ id: '00ff' });
  });

  it.each(['00fg', '00FF', '00ff0', '%24gt', '__proto__', '..%2F00ff'])(
    'is not_found when it cannot: %s',
    async (id) => {
      expect((await problemOf(await app.request(`/things/${id}`))).code).toBe('not_found');
    },
  );
});

describe('Idempotency-Key', () => {
  const post = (key: string | undefined) =>
    app.request('/things', { method: 'POST', headers: key === undefined ? {} : { 'Idempotency-Key': key } });

  it.each(['a', 'x'.repeat(255), '8e03978e-40d5-43dd-bc93-6894a57f9324', '"quoted"', 'with blank, and comma'])(
    'is handed on as it stands: %s',
    async (key) => {
      expect(await (await post(key)).json()).toEqual({ key });
    },
  );

  it('may be left out', async () => {
    expect(await (await post(undefined)).json()).toEqual({ key: null });
  });

  it.each(['', 'x'.repeat(256), 'é', 'a\tb', '\u00a0'])('is refused: "%s"', async (key) => {
    const problem = await problemOf(await post(key));

    expect(problem).toMatchObject({ code: 'validation_failed', errors: [{ path: 'Idempotency-Key' }] });
  });
});
