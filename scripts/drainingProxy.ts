import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { listening } from '../src/runtimes/listenNode.ts';
import type { Listening } from '../src/runtimes/serve.ts';

/** They belong to one connection and not to the message: RFC 9110 section 7.6.1. */
const OF_CONNECTION = ['connection', 'keep-alive'] as const;

/**
 * Hands requests on as they are, and answers as they come. It stands before a server that cuts off what is under way when it ends:
 * closed first, this one has seen every answer out.
 */
export function listenProxy(target: string, address: { host: string; port: number }): Promise<Listening> {
  const { hostname, port } = new URL(target);

  function handOn(from: IncomingMessage, to: ServerResponse): void {
    const options = { hostname, port, method: from.method, path: from.url, headers: ofMessage(from.headers) };
    // A connection each: one that is kept could be closed by the other side just when a charge is sent over it.
    const onward = request({ ...options, agent: false, setHost: false }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', ofMessage(answer.headers));
      answer.pipe(to);
      answer.on('aborted', () => to.destroy());
    });
    onward.on('error', () => (to.headersSent ? to.destroy() : to.writeHead(502).end()));
    to.on('close', () => onward.destroy());
    from.pipe(onward);
  }

  return listening(createServer(handOn), address);
}

function ofMessage(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  const kept = { ...headers };
  for (const name of OF_CONNECTION) delete kept[name];
  return kept;
}
