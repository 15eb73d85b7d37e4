import type { Listen } from './serve.ts';

/** Serves on Bun's own HTTP server. */
export const listenBun: Listen = async (fetch, { host, port }) => {
  const server = Bun.serve({
    fetch: (request, socket) =>
      fetch(addressed(request, socket), {
        peerAddress: socket.requestIP(request)?.address,
        // Bun has no other way to end one connection; it looks every four seconds at whose time is up.
        cutOff: () => socket.timeout(request, 1),
      }),
    hostname: host,
    port,
    idleTimeout: 60,
    // Outside production Bun would answer what nobody caught with a page that shows our source.
    development: false,
  });
  return {
    port: server.port ?? port,
    // Bun resolves this when the requests under way have been answered.
    close: () => server.stop(),
  };
};

/** What HTTP/1.0 asks without a `Host` (RFC 9112 section 3.2), as old health checks do, has a path alone for its address. */
function addressed(request: Request, server: { url: URL }): Request {
  return request.url.startsWith('/') && !request.headers.get('Host')
    ? new Request(`${server.url.origin}${request.url}`, request)
    : request;
}
