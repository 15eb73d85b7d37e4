import type { Listen } from './serve.ts';

/** Serves on Bun's own HTTP server. */
export const listenBun: Listen = async (fetch, { host, port }) => {
  const server = Bun.serve({ fetch, hostname: host, port, idleTimeout: 60 });
  return {
    port: server.port ?? port,
    // Bun resolves this when the requests under way have been answered.
    close: () => server.stop(),
  };
};
