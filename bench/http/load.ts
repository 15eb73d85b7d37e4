import { createConnection, type Socket } from 'node:net';
import { percentile } from '../table.ts';

/** One request as it goes over the wire. */
export type WireRequest = string;

export interface LoadResult {
  requests: number;
  rate: number;
  p50: number;
  p99: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const CHUNKS_END = Buffer.from('\r\n0\r\n\r\n');

export function wireRequest(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): WireRequest {
  const { host, pathname, search } = new URL(url);
  const text = body === undefined ? '' : JSON.stringify(body);
  const all = {
    Host: host,
    ...headers,
    ...(text !== '' && { 'Content-Type': 'application/json', 'Content-Length': String(text.length) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`${method} ${pathname}${search} HTTP/1.1`, ...lines, '', text].join('\r\n');
}

/**
 * So many connections, each of which asks again as soon as it is answered. It writes bytes that were made before and looks at no more of
 * an answer than its status and its end: the machine's time belongs to the server.
 *
 * @throws {Error} for an answer other than 200
 */
export async function load(
  url: string,
  requests: readonly WireRequest[],
  { connections, seconds }: { connections: number; seconds: number },
): Promise<LoadResult> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => connected(url)));
  const latencies: number[] = [];
  const began = performance.now();
  const end = began + seconds * 1000;
  let next = 0;
  await Promise.all(
    sockets.map(async (socket) => {
      for (let sent = performance.now(); sent < end; sent = performance.now()) {
        await exchange(socket, requests[next++ % requests.length] ?? '');
        latencies.push(performance.now() - sent);
      }
    }),
  );
  const took = (performance.now() - began) / 1000;
  for (const socket of sockets) socket.destroy();
  return {
    requests: latencies.length,
    rate: latencies.length / took,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
  };
}

function connected(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: hostname, port: Number(port), noDelay: true });
    socket.once('error', reject).once('connect', () => resolve(socket.off('error', reject)));
  });
}

function exchange(socket: Socket, request: WireRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer: Buffer = Buffer.alloc(0);
    const settle = (act: () => void) => {
      socket.off('data', onData).off('error', onError).off('close', onClose);
      act();
    };
    const onData = (bytes: Buffer) => {
      answer = answer.length === 0 ? bytes : Buffer.concat([answer, bytes]);
      if (!isComplete(answer)) return;
      const status = answer.toString('latin1', 9, 12);
      settle(() => (status === '200' ? resolve() : reject(new Error(`Answered ${answer.toString('utf8')}`))));
    };
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () => settle(() => reject(new Error('The server has closed a connection')));
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.write(request);
  });
}

/** RFC 9112 section 6: what ends a body. */
function isComplete(answer: Buffer): boolean {
  const end = answer.indexOf(HEAD_END);
  if (end < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer.toString('latin1', 0, end))?.[1];
  if (length !== undefined) return answer.length >= end + HEAD_END.length + Number(length);
  return answer.subarray(-CHUNKS_END.length).equals(CHUNKS_END);
}
