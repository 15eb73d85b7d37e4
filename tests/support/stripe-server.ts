import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answeringFor, paramsOf } from './stripe/answering.ts';
import { type Fault, type FaultPlan, meeting, noFaults } from './stripe/faults.ts';
import type { Params } from './stripe/form.ts';
import { type Held, Holding } from './stripe/holding.ts';
import type { Answer } from './stripe/idempotency.ts';
import { routeOf } from './stripe/routes.ts';
import { Sender } from './stripe/sender.ts';
import { API_VERSION } from './stripe/version.ts';
import { World } from './stripe/world.ts';

/** One call that reached the server. */
export interface Call {
  pattern: string;
  params: Params;
  idempotencyKey: string | undefined;
  fault: Fault | null;
}

export type Darkness = 'cut' | 'unavailable';

/** A Stripe of one's own: the part of the API that Artifex uses, with clock, webhooks and faults in the hands of a test. */
export interface StripeServer {
  /** For `STRIPE_API_BASE`. */
  url: string;
  world: World;
  sender: Sender;
  /** Every call, in the order of arrival. */
  calls: Call[];
  /** What goes wrong from now on. */
  faults: FaultPlan;
  /** Keeps back the answer to the next call of a route, which is made when the call comes. */
  hold(part: string): Held;
  /** Nobody can connect, or all are answered 503, until the function that it returns has been called. */
  goDark(how?: Darkness): () => void;
  close(): Promise<void>;
}

/** @param now the account's clock, in seconds */
export async function startStripeServer({ now = Math.floor(Date.now() / 1000) } = {}): Promise<StripeServer> {
  const world = new World(now);
  const answering = answeringFor(world);
  const calls: Call[] = [];
  const holding = new Holding();
  let darkness: Darkness | null = null;

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      answer(response, { status: 500, body: { error: { type: 'api_error', message: String(error) } } });
    });
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (darkness === 'cut') return void request.socket.destroy();
    if (darkness === 'unavailable') {
      // Said so that the SDK does not try again by itself (https://docs.stripe.com/error-low-level).
      response.setHeader('stripe-should-retry', 'false');
      return answer(response, UNAVAILABLE);
    }
    const { pathname, search } = new URL(request.url ?? '/', 'http://stripe.invalid');
    const method = request.method ?? 'GET';
    const params = paramsOf(method, search, body);
    const idempotencyKey = headerOf(request, 'idempotency-key');
    const pattern = routeOf(method, pathname)?.pattern ?? `${method} ${pathname}`;
    const fault = stripe.faults({ pattern, attempt: calls.filter((call) => call.pattern === pattern).length });
    calls.push({ pattern, params, idempotencyKey, fault });
    response.setHeader('request-id', world.id('req'));
    response.setHeader('stripe-version', API_VERSION);
    const authorization = headerOf(request, 'authorization');
    const done = meeting(fault, (failure) =>
      answering({ method, path: pathname, body, params, idempotencyKey, authorization, failure }),
    );
    await holding.pass(pattern);
    if (!done) return void request.socket.destroy();
    if (done.isReplay) response.setHeader('idempotent-replayed', 'true');
    answer(response, done.answer);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stripe: StripeServer = {
    url: `http://127.0.0.1:${portOf(server.address())}`,
    world,
    sender: new Sender(world),
    calls,
    faults: noFaults,
    hold: (part) => holding.next(part),
    goDark(how = 'cut') {
      darkness = how;
      return () => {
        darkness = null;
      };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return stripe;
}

const UNAVAILABLE: Answer = { status: 503, body: { error: { type: 'api_error', message: 'Unavailable.' } } };

function answer(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string') throw new Error('The server listens on no port');
  return address.port;
}
