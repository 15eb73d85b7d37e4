import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { listening } from '../src/runtimes/listenNode.ts';
import type { Listening } from '../src/runtimes/serve.ts';

/** They belong to one connection and not to the message: RFC 9110 section 7.6.1. */
const OF_CONNECTION = ['connection', 'keep-alive'] as const;

/**
 * Hands requests on as they are, and answers as they come. It stands before a server that cuts off what is under way when it ends:
 * closed first, this one has seen every answer out. Event streams would last: it ends them between two events.
 */
export function listenProxy(target: string, address: { host: string; port: number }): Promise<Listening> {
  const { hostname, port } = new URL(target);
  const streams = new Set<() => void>();
  let isClosing = false;

  function handOn(from: IncomingMessage, to: ServerResponse): void {
    const options = { hostname, port, method: from.method, path: from.url, headers: ofMessage(from.headers) };
    // A connection each: one that is kept could be closed by the other side just when a charge is sent over it.
    const onward = request({ ...options, agent: false, setHost: false }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', ofMessage(answer.headers));
      answer.pipe(to);
      if (isEventStream(answer)) {
        const end = endingOf(answer, to);
        streams.add(end);
        to.on('close', () => streams.delete(end));
        if (isClosing) end();
      }
      answer.on('aborted', () => to.destroy());
    });
    onward.on('error', () => (to.headersSent ? to.destroy() : to.writeHead(502).end()));
    to.on('close', () => onward.destroy());
    from.pipe(onward);
  }

  return listening(createServer(handOn), address).then((socket) => ({
    ...socket,
    close() {
      isClosing = true;
      const closed = socket.close();
      for (const end of streams) end();
      return closed;
    },
  }));
}

const isEventStream = ({ headers }: IncomingMessage): boolean =>
  headers['content-type']?.startsWith('text/event-stream') === true;

/** What ends a stream that is piped: at once, or after the event that is half sent. */
function endingOf(answer: IncomingMessage, to: ServerResponse): () => void {
  let [isBetween, isEnding] = [true, false];
  const endBetween = () => {
    if (!isEnding || !isBetween) return;
    answer.unpipe(to);
    to.end();
  };
  // The pipe was there first: it has passed the piece on.
  answer.on('data', (piece: Buffer) => {
    isBetween = piece.subarray(-2).toString() === '\n\n';
    endBetween();
  });
  return () => {
    isEnding = true;
    endBetween();
  };
}

function ofMessage(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  const kept = { ...headers };
  for (const name of OF_CONNECTION) delete kept[name];
  return kept;
}
