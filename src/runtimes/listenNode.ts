import { createAdaptorServer } from '@hono/node-server';
import type { Listen } from './serve.ts';

const IDLE_CHECK_MS = 20;

/** Serves on Node's HTTP server. */
export const listenNode: Listen = async (fetch, { host, port }) => {
  const server = createAdaptorServer({ fetch });
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
      const closing = setInterval(
        () => 'closeIdleConnections' in server && server.closeIdleConnections(),
        IDLE_CHECK_MS,
      );
      await closed;
      clearInterval(closing);
    },
  };
};
