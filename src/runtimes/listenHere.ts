import type { Listen } from './serve.ts';

/** The server of the runtime that this runs on. */
export async function listenHere(): Promise<Listen> {
  if ('Bun' in globalThis) return (await import('./listenBun.ts')).listenBun;
  if ('Deno' in globalThis) return (await import('./listenDeno.ts')).listenDeno;
  return (await import('./listenNode.ts')).listenNode;
}
