import type { Listen } from './serve.ts';

/** What is used of Deno here. Its own types cannot be loaded beside those of Node and Bun, which declare the same names. */
declare const Deno: {
  serve(
    options: { hostname: string; port: number; onListen: () => void },
    answer: (request: Request, info: { remoteAddr: { hostname?: string } }) => Response | Promise<Response>,
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
  const server = Deno.serve(options, (request, { remoteAddr }) => fetch(request, { peerAddress: remoteAddr.hostname }));
  return { port: server.addr.port, close: () => server.shutdown() };
};
