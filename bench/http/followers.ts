import { createConnection } from 'node:net';
import { wireRequest } from './load.ts';

const EVENT = /^id: (\S+)$/gm;
const CHUNKS_END = '\r\n0\r\n\r\n';

/** A client of one event stream. */
export interface Follower {
  /** When the latest event came, and which ones have. */
  seen: { id: string; at: number }[];
  /** Resolves with the present state. */
  began: Promise<void>;
  /** Resolves when the server has ended the stream, or the connection. */
  ended: Promise<void>;
}

/**
 * Follows a generation over a connection of its own. Written on sockets, since clients share or limit connections, each in its own
 * way.
 */
export function follow(url: string, token: string): Follower {
  const { hostname, port } = new URL(url);
  const seen: Follower['seen'] = [];
  const began = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  let text = '';
  const socket = createConnection({ host: hostname, port: Number(port), noDelay: true }, () => {
    socket.write(wireRequest('GET', url, { Authorization: `Bearer ${token}`, Accept: 'text/event-stream' }));
  });
  socket.setEncoding('utf8');
  socket.on('data', (more) => {
    text += String(more);
    const at = performance.now();
    for (const [, id = ''] of [...text.matchAll(EVENT)].slice(seen.length)) seen.push({ id, at });
    if (seen.length > 0) began.resolve();
    if (text.endsWith(CHUNKS_END)) socket.destroy();
  });
  socket.on('error', (error) => began.reject(error));
  socket.on('close', () => {
    began.reject(new Error(`A stream ended before it began: ${text}`));
    ended.resolve();
  });
  return { seen, began: began.promise, ended: ended.promise };
}
