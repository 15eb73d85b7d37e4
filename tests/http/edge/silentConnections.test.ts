import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { listening } from '@/runtimes/listenNode.ts';
import type { Listening } from '@/runtimes/serve.ts';

const HERE = { host: '127.0.0.1', port: 0 };
const SILENCE_MS = 100;
/** More than the sockets of both sides hold. */
const MUCH = 'x'.repeat(32 * 2 ** 20);

const sockets: Listening[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) await socket.close();
});

it.each([
  ['does not read its answer', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['sends half a body', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{'],
])('Node lets go of a client that %s', async (_, request) => {
  const asked = Promise.withResolvers<ServerResponse>();
  const server = createServer((incoming, answer) => {
    if (incoming.method === 'GET') answer.end(MUCH);
    asked.resolve(answer);
  });
  const socket = await listening(server, HERE, SILENCE_MS);
  sockets.push(socket);
  const client = connect(socket.port, HERE.host).pause();
  client.write(request);
  const answer = await asked.promise;
  await once(answer, 'close');
  expect(answer.writableFinished).toBe(false);
  client.destroy();
});
