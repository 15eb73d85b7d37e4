import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nameServers } from '@/outbound/names.ts';
import { createPost, type Post } from '@/outbound/post.ts';
import { type NameServer, startNameServer } from '../support/nameServer.ts';

const LOOPBACK_V6 = '0:0:0:0:0:0:0:1';
const answers: Record<string, readonly (readonly string[] | null)[]> = {
  'good.example.com': [['127.0.0.1']],
  'rebinding.example.com': [['127.0.0.1'], ['10.0.0.1']],
  'turning.example.com': [['10.0.0.1'], ['127.0.0.1']],
  'mixed.example.com': [['127.0.0.1', '192.168.0.1']],
  'silent.example.com': [null],
};

let server: NameServer;
let hits = 0;
const receiver = createServer((_request, response) => {
  hits += 1;
  response.end();
});
let port = 0;
let post: Post;

beforeAll(async () => {
  const turns = new Map<string, number>();
  server = await startNameServer((name, type) => {
    if (name === 'six.example.com') return type === 'AAAA' ? ['fd00:0:0:0:0:0:0:1'] : [];
    if (name === 'mapped.example.com') return type === 'AAAA' ? ['0:0:0:0:0:ffff:a00:1'] : ['127.0.0.1'];
    if (name === 'local.example.com') return type === 'AAAA' ? [LOOPBACK_V6] : [];
    if (type === 'AAAA') return [];
    const turn = turns.get(name) ?? 0;
    turns.set(name, turn + 1);
    const each = answers[name];
    return each === undefined ? [] : (each[turn % each.length] ?? null);
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const address = receiver.address();
  if (address === null || typeof address === 'string') throw new Error('It listens on a port');
  port = address.port;
  post = createPost({ resolve: nameServers([server.address]), allowLoopback: true, timeoutMs: 10_000 });
});
afterAll(() => {
  server.close();
  receiver.close();
});

async function sendTo(name: string, by = post) {
  const before = { hits, asked: server.asked.length };
  const request = { url: `http://${name}:${port}/`, headers: {}, body: '{}' };
  const outcome = await by(request, new AbortController().signal);
  return { outcome, hits: hits - before.hits, asked: server.asked.slice(before.asked).sort() };
}

const bothKinds = (name: string) => [`${name} A`, `${name} AAAA`];
const refused = { error: 'address_not_allowed' };

describe('a name', () => {
  it('is looked up once for an attempt, in both kinds of address', async () => {
    expect(await sendTo('good.example.com')).toEqual({
      outcome: { status: 200, retryAfter: undefined },
      hits: 1,
      asked: bothKinds('good.example.com'),
    });
  });

  it('that answers differently the second time leads to what was checked, and at the next attempt to nothing', async () => {
    const name = 'rebinding.example.com';
    expect(await sendTo(name)).toMatchObject({ outcome: { status: 200 }, hits: 1, asked: bothKinds(name) });
    expect(await sendTo(name)).toMatchObject({ outcome: refused, hits: 0 });
  });

  it('that turns to another address later is checked anew', async () => {
    expect(await sendTo('turning.example.com')).toMatchObject({ outcome: refused, hits: 0 });
    expect(await sendTo('turning.example.com')).toMatchObject({ outcome: { status: 200 }, hits: 1 });
  });

  it.each(['mixed.example.com', 'six.example.com', 'mapped.example.com'])(
    '(%s) with one address that is not to be called is not called at all',
    async (name) => {
      expect(await sendTo(name)).toMatchObject({ outcome: refused, hits: 0 });
    },
  );

  it.each(['good.example.com', 'local.example.com'])('(%s) of this machine is for development alone', async (name) => {
    const strict = createPost({ resolve: nameServers([server.address]), allowLoopback: false, timeoutMs: 10_000 });
    expect(await sendTo(name, strict)).toMatchObject({ outcome: refused, hits: 0 });
  });

  it('that does not exist, or of which nobody knows in time, is told apart from one that may not be called', async () => {
    expect(await sendTo('unknown.example.com')).toMatchObject({ outcome: { error: 'name_not_found' }, hits: 0 });
    const hasty = createPost({ resolve: nameServers([server.address]), allowLoopback: true, timeoutMs: 200 });
    expect(await sendTo('silent.example.com', hasty)).toMatchObject({ outcome: { error: 'timeout' }, hits: 0 });
  });
});
