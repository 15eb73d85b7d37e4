import Stripe from 'stripe';
import { callThroughGate } from '../commandGate.ts';
import { answeringFor, paramsOf } from './answering.ts';
import { routeOf } from './routes.ts';
import type { World } from './world.ts';

/**
 * Stripe's SDK, whose requests are answered out of the world in the same process: no sockets, and so nothing happens between
 * two calls but what a test lets happen.
 */
export function stripeWithin(world: World): Stripe {
  const answering = answeringFor(world);
  const send = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const { pathname, search } = new URL(request.url);
    const { method } = request;
    const body = await request.text();
    const pattern = routeOf(method, pathname)?.pattern ?? `${method} ${pathname}`;
    return callThroughGate(pattern, async () => {
      const { answer } = answering({
        method,
        path: pathname,
        body,
        params: paramsOf(method, search, body),
        idempotencyKey: request.headers.get('idempotency-key') ?? undefined,
        authorization: request.headers.get('authorization') ?? undefined,
      });
      return Response.json(answer.body, { status: answer.status });
    });
  };
  return new Stripe('sk_test_within', {
    // Bun's type of `fetch` has that function beside.
    httpClient: Stripe.createFetchHttpClient(Object.assign(send, { preconnect() {} })),
    maxNetworkRetries: 0,
    telemetry: false,
  });
}
