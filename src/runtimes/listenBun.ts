import type { Listen } from './serve.ts';

/** Serves on Bun's own HTTP server. */
export const listenBun: Listen = async (fetch, { host, port }) => {
  const server = Bun.serve({
    fetch: (request, socket) =>
      fetch(request, {
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
