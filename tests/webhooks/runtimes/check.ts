import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createSocketServer, type Server as SocketServer } from 'node:net';
import { createPost, type OutboundDeps } from '../../../src/outbound/post.ts';
import { certificateOf } from '../../support/certificates.ts';

const NAME = 'hooks.example.com';
const TIMEOUT_MS = 20_000;

/** What a runtime makes of receivers of every kind: the same has to come of all of them. */
export async function check(): Promise<Record<string, unknown>> {
  const servers: (Server | SocketServer)[] = [];
  const reached: string[] = [];

  async function listen(server: Server | SocketServer): Promise<number> {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('It listens on a port');
    return address.port;
  }
  const receiver =
    (label: string, answer: RequestListener): RequestListener =>
    (request, response) => {
      reached.push(`${label} ${request.method} ${request.url}`);
      answer(request, response);
    };
  const ok: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => response.writeHead(body === 'the body' ? 200 : 400, { 'retry-after': '7' }).end('thanks'));
  };

  const send = (path: string, deps: Partial<OutboundDeps> = {}, signal = new AbortController().signal) =>
    createPost({ resolve: async () => ['127.0.0.1'], allowLoopback: true, timeoutMs: TIMEOUT_MS, ...deps })(
      { url: path, headers: { 'webhook-id': 'evt_1' }, body: 'the body' },
      signal,
    );

  const first = await listen(createServer(receiver('first', ok)));
  const http = `http://${NAME}:${first}`;
  const { ca, cert, key } = certificateOf(NAME);
  const https = `https://${NAME}:${await listen(createSecureServer({ cert, key }, receiver('secure', ok)))}`;
  const old = certificateOf(NAME, { expired: true });
  const expired = `https://${NAME}:${await listen(createSecureServer(old, receiver('expired', ok)))}`;
  const other = `https://other.example.com:${new URL(https).port}`;
  const redirecting = await listen(
    createServer(receiver('redirecting', (_, response) => response.writeHead(307, { location: `${http}/to` }).end())),
  );
  const endless = await listen(createServer(receiver('endless', (_, response) => pour(response))));
  const silent = await listen(createSocketServer(() => {}));
  const rude = await listen(createSocketServer((socket) => socket.destroy()));
  const closed = await listen(createServer());
  await new Promise((done) => servers.at(-1)?.close(done));

  let asked = 0;
  const rebinding = async () => (asked++ === 0 ? ['127.0.0.1'] : ['10.0.0.1']);
  const stopping = new AbortController();
  const stopped = send(`http://${NAME}:${silent}/`, {}, stopping.signal).catch((error: unknown) => String(error));
  stopping.abort('stopping');

  const result = {
    delivered: await send(`${http}/delivered`),
    rebound: await send(`${http}/rebound`, { resolve: rebinding }),
    asked,
    secure: await send(`${https}/secure`, { ca }),
    untrusted: await send(`${https}/untrusted`),
    expired: await send(`${expired}/`, { ca: old.ca }),
    'of another name': await send(`${other}/`, { ca }),
    redirected: await send(`http://${NAME}:${redirecting}/from`),
    endless: await send(`http://${NAME}:${endless}/endless`),
    'nobody listens': await send(`http://${NAME}:${closed}/`),
    'hangs up': await send(`http://${NAME}:${rude}/`),
    silent: await send(`http://${NAME}:${silent}/`, { timeoutMs: 200 }),
    'a name server that is silent': await send(`${http}/`, { resolve: () => new Promise(() => {}), timeoutMs: 200 }),
    'no such name': await send(`${http}/`, { resolve: async () => [] }),
    'an address of this machine': await send(`${http}/`, { allowLoopback: false }),
    'one of two addresses': await send(`${http}/`, { resolve: async () => ['127.0.0.1', '10.0.0.1'] }),
    stopped: await stopped,
    reached: [...reached].sort(),
  };
  for (const server of servers) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  }
  return result;
}

/** A body without end. */
function pour(response: Parameters<RequestListener>[1]): void {
  response.writeHead(200);
  const chunk = 'x'.repeat(16 * 1024);
  const more = () => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', more);
  };
  response.on('error', () => {});
  more();
}
