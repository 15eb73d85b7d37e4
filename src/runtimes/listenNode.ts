import { createServer, type Server } from 'node:http';
import { getRequestListener, type Http2Bindings, type HttpBindings, RequestError } from '@hono/node-server';
import { brokenHostAnswer } from '../middleware/host.ts';
import type { Listen, Listening } from './serve.ts';

const IDLE_CHECK_MS = 20;

/** Milliseconds after which a connection on which nothing comes and goes is ended; event streams beat sooner. By itself Node waits for ever. */
const SILENCE_MS = 60_000;

/** Serves on Node's HTTP server. */
export const listenNode: Listen = async (fetch, { host, port }) => {
  const answer = (request: Request, { incoming }: HttpBindings | Http2Bindings) =>
    fetch(request, {
      peerAddress: incoming.socket.remoteAddress,
      // With a reset, what it has not taken is thrown away: after an ordinary end the system would keep it for minutes.
      cutOff: () => incoming.socket.resetAndDestroy(),
    });
  // Of what HTTP/1.0 asks without a `Host` (RFC 9112 section 3.2), as old health checks do.
  const hostname = host.includes(':') ? `[${host}]` : host;
  const server = createServer(getRequestListener(answer, { hostname, errorHandler: answerUnanswered }));
  return listening(server, { host, port });
};

/** Opens the socket of a server. */
export async function listening(
  server: Server,
  { host, port }: { host: string; port: number },
  silenceMs = SILENCE_MS,
): Promise<Listening> {
  server.setTimeout(silenceMs);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Node closes the connections that are idle now; one that becomes idle later would be kept alive for seconds.
      const closing = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
      await closed;
      clearInterval(closing);
    },
  };
}

/** What no route has answered: the adaptor has refused the request for its `Host`, or the application itself has failed. */
function answerUnanswered(error: unknown): Response {
  return error instanceof RequestError ? brokenHostAnswer() : new Response(null, { status: 500 });
}
