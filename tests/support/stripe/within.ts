import Stripe from 'stripe';
import { callThroughGate } from '../commandGate.ts';
import { answeringFor, paramsOf } from './answering.ts';
import { type Done, type Fault, meeting } from './faults.ts';
import { routeOf } from './routes.ts';
import type { World } from './world.ts';

/**
 * Stripe's SDK, whose requests are answered out of the world in the same process: no sockets, and so nothing happens between
 * two calls but what a test lets happen.
 *
 * @param faultNow what goes wrong with the call that is about to be done
 */
export function stripeWithin(world: World, faultNow: FaultNow = () => null): Stripe {
  return new Stripe('sk_test_within', {
    httpClient: new ClientWithin(world, faultNow),
    maxNetworkRetries: 0,
    telemetry: false,
  });
}

type FaultNow = (pattern: string) => Fault | null;

class ClientWithin extends Stripe.HttpClient {
  readonly #answering: ReturnType<typeof answeringFor>;
  readonly #faultNow: FaultNow;

  constructor(world: World, faultNow: FaultNow) {
    super();
    this.#answering = answeringFor(world);
    this.#faultNow = faultNow;
  }

  override getClientName(): string {
    return 'within';
  }

  override makeRequest(
    _host: string,
    _port: string,
    address: string,
    method: string,
    headers: object,
    body: string | null,
  ): Promise<ResponseWithin> {
    const { pathname: path, search } = new URL(address, 'http://stripe.invalid');
    const headerOf = (name: string) => {
      const [, value] = Object.entries(headers).find(([given]) => given.toLowerCase() === name) ?? [];
      return typeof value === 'string' ? value : undefined;
    };
    const asked = {
      method,
      path,
      body: body ?? '',
      params: paramsOf(method, search, body ?? ''),
      idempotencyKey: headerOf('idempotency-key'),
      authorization: headerOf('authorization'),
    };
    const pattern = routeOf(method, path)?.pattern ?? `${method} ${path}`;
    return callThroughGate(pattern, async () => {
      const done = meeting(this.#faultNow(pattern), (failure) => this.#answering({ ...asked, failure }));
      if (!done) throw new TypeError('The connection was closed');
      return new ResponseWithin(done);
    });
  }
}

class ResponseWithin extends Stripe.HttpClientResponse {
  readonly #body: unknown;

  constructor({ answer, isReplay }: Done) {
    super(answer.status, isReplay ? { 'idempotent-replayed': 'true' } : {});
    this.#body = answer.body;
  }

  override getRawResponse(): unknown {
    return this.#body;
  }

  /** A copy, as if it had come over the wire. */
  override async toJSON(): Promise<unknown> {
    return JSON.parse(JSON.stringify(this.#body));
  }
}
