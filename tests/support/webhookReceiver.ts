import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';

const event = z.looseObject({ type: z.string(), timestamp: z.iso.datetime(), data: z.looseObject({}) });

export interface Received {
  /** `webhook-id` */
  id: string;
  headers: IncomingHttpHeaders;
  body: string;
  event: z.output<typeof event>;
}

export interface Receiver {
  url: string;
  received: Received[];
  /** What it answers from now on: one status after the other, and then the last one. */
  answer(...statuses: number[]): void;
  /** Resolves when it has been sent so many. */
  until(count: number): Promise<void>;
  /** Throws for one whose signature is not of that secret. */
  verify(secret: string): void;
  close(): void;
}

/** A real receiver on this machine. @param before waited for before each answer */
export async function startReceiver(before: () => Promise<void> = async () => {}): Promise<Receiver> {
  const received: Received[] = [];
  let statuses = [200];
  let waiting: { count: number; resolve: () => void }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { headers } = request;
    received.push({ id: String(headers['webhook-id']), headers, body, event: event.parse(JSON.parse(body)) });
    for (const each of waiting) if (received.length >= each.count) each.resolve();
    waiting = waiting.filter(({ count }) => count > received.length);
    const status = statuses.length > 1 ? statuses.shift() : statuses[0];
    await before();
    response.writeHead(status ?? 200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('It listens on a port');
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    received,
    answer(...next) {
      statuses = next;
    },
    until: (count) =>
      received.length >= count
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting.push({ count, resolve });
          }),
    verify(secret) {
      for (const { headers, body } of received) {
        const texts = Object.entries(headers).map(([name, value]) => [name, String(value)]);
        new Webhook(secret).verify(body, Object.fromEntries(texts));
      }
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
