import { describe, expect, it } from 'vitest';
import { edgeWith } from '../../support/api.ts';

function api() {
  return edgeWith((edge) => {
    edge.get('/things/:id', (c) => c.json({ id: c.req.param('id') }));
    edge.get('/raw', () => new Response('raw'));
    edge.get('/own', (c) => c.body('', 200, { 'Content-Security-Policy': "default-src 'self'" }));
    edge.get('/broken', () => {
      throw new Error('broken');
    });
  });
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('X-Request-Id', () => {
  it.each(['/things/1', '/raw', '/broken', '/nope'])('is a new UUID on the answer of %s', async (path) => {
    expect((await api().app.request(path)).headers.get('X-Request-Id')).toMatch(UUID);
  });

  it.each(['a', 'Req_1.2-3', 'x'.repeat(128)])("is the caller's own where that is sane (%s)", async (id) => {
    const response = await api().app.request('/broken', { headers: { 'X-Request-Id': id } });

    expect(response.headers.get('X-Request-Id')).toBe(id);
  });

  it.each(['', 'x'.repeat(129), 'a b', 'a,b', '<script>', 'é', 'a"b'])('is a new one in place of "%s"', async (id) => {
    const response = await api().app.request('/raw', { headers: { 'X-Request-Id': id } });

    expect(response.headers.get('X-Request-Id')).toMatch(UUID);
  });

  it('is another one for each request', async () => {
    const { app } = api();
    const ids = await Promise.all(
      Array.from({ length: 50 }, async () => (await app.request('/raw')).headers.get('X-Request-Id')),
    );

    expect(new Set(ids).size).toBe(50);
  });
});

describe('the log line of a request', () => {
  it('names method, pattern, status, milliseconds and id, and neither path nor query', async () => {
    const { app, lines } = api();

    await app.request('/things/secret-7?token=abc', { headers: { 'X-Request-Id': 'r-1' } });

    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.any(String),
        msg: 'request',
        method: 'GET',
        route: '/things/:id',
        status: 200,
        milliseconds: expect.any(Number),
        requestId: 'r-1',
      },
    ]);
  });

  it.each([
    ['/broken', 500],
    ['/nope', 404],
  ])('is there for %s too', async (path, status) => {
    const { app, lines } = api();

    await app.request(path);

    expect(lines.filter(({ msg }) => msg === 'request')).toEqual([expect.objectContaining({ status })]);
  });
});

describe('security fields', () => {
  it.each(['/raw', '/broken', '/nope'])('keep browsers from sniffing, framing and running %s', async (path) => {
    const { headers } = await api().app.request(path);

    expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect(headers.get('Content-Security-Policy')).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get('X-Frame-Options')).toBe('DENY');
    expect(headers.get('X-Powered-By')).toBeNull();
  });

  it('yield to those that a route sets itself', async () => {
    const { headers } = await api().app.request('/own');

    expect(headers.get('Content-Security-Policy')).toBe("default-src 'self'");
  });
});
