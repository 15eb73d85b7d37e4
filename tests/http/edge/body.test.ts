import { type AddressInfo, connect } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MAX_BODY_BYTES } from '../../../src/middleware/body.ts';
import { emptyBody, jsonBody } from '../../../src/middleware/validate.ts';
import { edgeWith, jsonRequest, problemOf } from '../../support/api.ts';

const order = z.strictObject({
  count: z.int().min(1).max(4),
  prompt: z.string().min(1).max(20),
  size: z.strictObject({ width: z.int() }).optional(),
});

const { app } = edgeWith((edge) => {
  edge.post('/orders', jsonBody(order), (c) => c.json(c.req.valid('json'), 201));
  edge.post('/cancel', emptyBody(), (c) => c.json(c.req.valid('json')));
});

const good = { count: 1, prompt: 'a fox' };

describe('a body that fits', () => {
  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'])(
    'is taken as %s',
    async (contentType) => {
      const response = await app.request('/orders', jsonRequest(good, { headers: { 'Content-Type': contentType } }));

      expect(response.status).toBe(201);
      expect(await response.json()).toEqual(good);
    },
  );

  it('may write a character as two escapes, or their letters as text', async () => {
    const response = await app.request('/orders', {
      ...jsonRequest(good),
      body: '{"count": 1, "prompt": "\\uD83D\\ude00 \\\\ud83d"}',
    });

    expect(await response.json()).toMatchObject({ prompt: '😀 \\ud83d' });
  });

  it('keeps every character of its text', async () => {
    const prompt = 'Füchse 🦊 "\u0000\u2028';

    const response = await app.request('/orders', jsonRequest({ ...good, prompt }));

    expect(await response.json()).toEqual({ ...good, prompt });
  });
});

describe('400 validation_failed', () => {
  it.each<[string, unknown, string[]]>([
    ['a wrong type', { ...good, count: '1' }, ['count']],
    ['a number out of range', { ...good, count: 5 }, ['count']],
    ['a fraction', { ...good, count: 1.5 }, ['count']],
    ['a text that is too long', { ...good, prompt: 'x'.repeat(21) }, ['prompt']],
    ['null', { ...good, prompt: null }, ['prompt']],
    ['an operator in place of a string', { ...good, prompt: { $gt: '' } }, ['prompt']],
    ['a missing field', { count: 1 }, ['prompt']],
    ['an unknown field', { ...good, credits: 0 }, ['credits']],
    ['an unknown field inside', { ...good, size: { width: 1, depth: 2 } }, ['size.depth']],
    ['a wrong type inside', { ...good, size: { width: '1' } }, ['size.width']],
    ['several faults at once', { count: 0, prompt: '', tier: 'pro' }, ['count', 'prompt', 'tier']],
    ['a list', [good], ['']],
    ['a string', 'text', ['']],
    ['null alone', null, ['']],
  ])('for %s', async (_name, body, paths) => {
    const problem = await problemOf(await app.request('/orders', jsonRequest(body)));

    expect(problem.code).toBe('validation_failed');
    expect(problem.errors?.map(({ path }) => path)).toEqual(paths);
  });

  it.each(['{"__proto__": {"isAdmin": true}}', '{"constructor": {"prototype": {"isAdmin": true}}}'])(
    'for %s, which changes no prototype',
    async (text) => {
      const response = await app.request('/orders', { ...jsonRequest(good), body: text });

      expect((await problemOf(response)).code).toBe('validation_failed');
      expect('isAdmin' in {}).toBe(false);
    },
  );
});

describe('400 malformed_json', () => {
  it.each<[string, BodyInit]>([
    ['an unfinished object', '{"count": 1'],
    ['a trailing comma', '{"count": 1,}'],
    ['two values', '{} {}'],
    ['a form', 'count=1&prompt=x'],
    ['an empty body', ''],
    ['blanks alone', '  \n'],
    ['bytes that are no UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ['UTF-16', new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00])],
    ['deep nesting without an end', '['.repeat(200_000)],
    ['half a character', '{"count": 1, "prompt": "\\ud83d"}'],
    ['half a character in a name', '{"count": 1, "prompt": "x", "\\uDE00": 1}'],
  ])('for %s', async (_name, body) => {
    const response = await app.request('/orders', { ...jsonRequest(good), body });

    expect((await problemOf(response)).code).toBe('malformed_json');
  });

  it('for no body at all', async () => {
    expect((await problemOf(await app.request('/orders', { method: 'POST' }))).code).toBe('malformed_json');
  });
});

describe('415 unsupported_media_type', () => {
  it.each<[string, Record<string, string>]>([
    ['plain text', { 'Content-Type': 'text/plain' }],
    ['a form', { 'Content-Type': 'application/x-www-form-urlencoded' }],
    ['a JSON of another vocabulary', { 'Content-Type': 'application/merge-patch+json' }],
    ['another charset', { 'Content-Type': 'application/json; charset=latin1' }],
    ['an empty type', { 'Content-Type': '' }],
    ['a coding', { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }],
  ])('for %s', async (_name, headers) => {
    const response = await app.request('/orders', jsonRequest(good, { headers }));

    expect(response.headers.get('Accept')).toBe('application/json');
    expect(response.headers.get('Accept-Encoding')).toBe('identity');
    expect((await problemOf(response)).code).toBe('unsupported_media_type');
  });

  it('for a body without a type', async () => {
    const response = await app.request('/orders', {
      method: 'POST',
      body: new TextEncoder().encode(JSON.stringify(good)),
    });

    expect((await problemOf(response)).code).toBe('unsupported_media_type');
  });
});

describe('a route whose body is empty by contract', () => {
  it.each<[string, RequestInit]>([
    ['no body', { method: 'POST' }],
    ['an empty body of type JSON', { ...jsonRequest({}), body: '' }],
    ['{}', jsonRequest({})],
  ])('takes %s', async (_name, init) => {
    expect((await app.request('/cancel', init)).status).toBe(200);
  });

  it('refuses fields', async () => {
    const problem = await problemOf(await app.request('/cancel', jsonRequest({ reason: 'x' })));

    expect(problem).toMatchObject({ code: 'validation_failed', errors: [{ path: 'reason' }] });
  });

  it('refuses another type and broken JSON', async () => {
    const text = await app.request('/cancel', {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain' },
      body: '{}',
    });
    const broken = await app.request('/cancel', { ...jsonRequest({}), body: '{' });

    expect((await problemOf(text)).code).toBe('unsupported_media_type');
    expect((await problemOf(broken)).code).toBe('malformed_json');
  });
});

describe('413 payload_too_large', () => {
  const bodyOf = (bytes: number) => JSON.stringify({ ...good, prompt: '' }).padEnd(bytes, ' ');

  it('lets a body of exactly 1 MiB pass to its schema', async () => {
    const response = await app.request('/orders', { ...jsonRequest(good), body: bodyOf(MAX_BODY_BYTES) });

    expect((await problemOf(response)).code).toBe('validation_failed');
  });

  it('for one byte more', async () => {
    const response = await app.request('/orders', { ...jsonRequest(good), body: bodyOf(MAX_BODY_BYTES + 1) });

    expect((await problemOf(response)).code).toBe('payload_too_large');
  });

  it('by the declared length, on every route and before the body is read', async () => {
    const response = await app.request('/cancel', {
      ...jsonRequest({}),
      headers: { 'Content-Length': String(2 * MAX_BODY_BYTES) },
    });

    expect((await problemOf(response)).code).toBe('payload_too_large');
  });

  it('for a stream of unknown length, of which no more is read than it takes to know', async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 65_536;
        controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
    });

    const init = { ...jsonRequest({}), body: endless, duplex: 'half' };
    const response = await app.request('/orders', init);

    expect((await problemOf(response)).code).toBe('payload_too_large');
    expect(pulled).toBeLessThan(2 * MAX_BODY_BYTES);
  });
});

describe('over a socket', () => {
  let server: ServerType;
  let port: number;

  beforeAll(async () => {
    const address = await new Promise<AddressInfo>((listening) => {
      server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, listening);
    });
    port = address.port;
  });
  afterAll(() => new Promise((closed) => server.close(closed)));

  it('answers 413 to a chunked body while it is still being sent', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      let received = '';
      const socket = connect(port, '127.0.0.1', () => {
        socket.write('POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n');
        socket.write('Transfer-Encoding: chunked\r\n\r\n');
        // No last chunk: who waits for the end of this body waits for ever.
        const chunk = `${(65_536).toString(16)}\r\n${' '.repeat(65_536)}\r\n`;
        socket.write(chunk.repeat(17));
      });
      socket.on('data', (data) => {
        received += data.toString();
        if (received.includes('"code"')) {
          socket.destroy();
          resolve(received);
        }
      });
      socket.on('error', reject);
    });

    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('"code":"payload_too_large"');
  });

  it('takes a POST without a body where none is needed', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/cancel`, { method: 'POST' });

    expect(response.status).toBe(200);
  });

  it('answers malformed_json to a POST without a body where one is needed', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/orders`, { method: 'POST' });

    expect((await problemOf(response)).code).toBe('malformed_json');
  });

  it('takes a JSON body', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/orders`, jsonRequest(good));

    expect(await response.json()).toEqual(good);
  });
});
