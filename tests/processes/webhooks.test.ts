import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';
import type { ServerProcess } from '../support/processes.ts';
import { type Receiver, startReceiver } from '../support/webhookReceiver.ts';

const store = useDatabase();
const cluster = useCluster(store);
const ENV = { WEBHOOK_ALLOW_LOOPBACK: 'on', ARTIFEX_WORKER: 'off' };
/** Seconds by which a successor's clock is ahead, so that the claim of the dead has run out. */
const LATER = { ARTIFEX_CLOCK_OFFSET: '120' };

let receiver: Receiver;
afterEach(() => receiver.close());

const endpoint = z.looseObject({ id: z.string(), secret: z.string() });
const deliveries = z.object({
  data: z.array(z.looseObject({ eventId: z.string(), status: z.string(), attempts: z.int(), type: z.string() })),
});

/** Somebody with an endpoint at the receiver, and a generation that was just cancelled. */
async function tell(server: ServerProcess) {
  const Authorization = await cluster.authorizationOf(cluster.newPerson());
  const headers = { Authorization, 'Content-Type': 'application/json' };
  const post = (path: string, body?: object) =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: body ? headers : { Authorization },
      ...(body && { body: JSON.stringify(body) }),
    });
  const made = await post('/v1/webhook-endpoints', { url: receiver.url, events: ['generation.cancelled'] });
  const { id, secret } = endpoint.parse(await made.json());
  const created = await post('/v1/generations', { type: 'text-to-image', prompt: 'A quiet bay' });
  expect((await post(`${created.headers.get('Location')}/cancel`)).status).toBe(200);
  const listed = async ({ url }: ServerProcess) => {
    const response = await fetch(`${url}/v1/webhook-endpoints/${id}/deliveries`, { headers: { Authorization } });
    return deliveries.parse(await response.json()).data;
  };
  return { secret, listed };
}

describe.each([['bun', 'node'] as const, ['node', 'bun'] as const])('a delivery on %s', (runtime, next) => {
  it('that is killed under it arrives by its successor, under the same id', { timeout: 60_000 }, async () => {
    const answering = Promise.withResolvers<void>();
    receiver = await startReceiver(() => answering.promise);
    const victim = await cluster.start(runtime, ENV);
    const { secret, listed } = await tell(victim);
    await receiver.until(1);
    await victim.kill();
    answering.resolve();
    const successor = await cluster.start(next, { ...ENV, ...LATER });
    await receiver.until(2);
    const [first, second] = receiver.received;
    expect(second?.id).toBe(first?.id);
    expect(second?.body).toBe(first?.body);
    receiver.verify(secret);
    await expect
      .poll(() => listed(successor))
      .toMatchObject([{ eventId: first?.id, status: 'succeeded', attempts: 2 }]);
    await successor.end();
  });

  it('that has to stop is given back at once, as if it had not been tried', { timeout: 60_000 }, async () => {
    const answering = Promise.withResolvers<void>();
    receiver = await startReceiver(() => answering.promise);
    const stopping = await cluster.start(runtime, ENV);
    const { listed } = await tell(stopping);
    await receiver.until(1);
    expect(await stopping.end()).toBe(0);
    answering.resolve();
    const successor = await cluster.start(next, ENV);
    await receiver.until(2);
    const [first, second] = receiver.received;
    expect(second?.id).toBe(first?.id);
    await expect
      .poll(() => listed(successor))
      .toMatchObject([{ eventId: first?.id, status: 'succeeded', attempts: 1 }]);
    await successor.end();
  });
});
