import type { Listen } from './serve.ts';

/** What is used of Deno here. Its own types cannot be loaded beside those of Node and Bun, which declare the same names. */
declare const Deno: {
  serve(
    options: { hostname: string; port: number; onListen: () => void },
    answer: (
      request: Request,
      info: { remoteAddr: { hostname?: string }; completed: Promise<void> },
    ) => Response | Promise<Response>,
  ): {
    addr: { port: number };
    /** Takes no more requests, and resolves when those under way have been answered. */
    shutdown(): Promise<void>;
  };
};

/** Serves on Deno's own HTTP server. */
export const listenDeno: Listen = async (fetch, { host, port }) => {
  // The log says where it listens; by default Deno prints a line of its own on standard output.
  const options = { hostname: host, port, onListen: () => {} };
  const underWay = new Set<Promise<Response>>();
  const server = Deno.serve(options, async (request, { remoteAddr, completed }) => {
    const peer = { peerAddress: remoteAddr.hostname, taken: () => completed.catch(() => {}) };
    const answer = Promise.resolve(fetch(request, peer));
    underWay.add(answer);
    try {
      return await answer;
    } finally {
      underWay.delete(answer);
    }
  });
  return {
    port: server.addr.port,
    async close() {
      // Deno breaks off a body that is still coming in when it shuts down: whoever is sending one is heard out first.
      await Promise.allSettled(underWay);
      await server.shutdown();
    },
  };
};
