import type { Types } from 'mongoose';
import { WEBHOOK_EVENTS } from '@/domain/webhooks.ts';
import {
  claimDelivery,
  dropDelivery,
  endAttempt,
  giveDeliveryBack,
  listDeliveries,
  ping,
  removeOldDeliveries,
  replayDelivery,
} from '@/repositories/webhookDeliveries.ts';
import {
  changeEndpoint,
  countFailedDelivery,
  createEndpoint,
  deleteEndpoint,
  disableEndpoint,
  findEndpoint,
  forgiveEndpoint,
  getEndpoint,
  listEndpoints,
  removeDeletedEndpoints,
  rotateSecret,
} from '@/repositories/webhookEndpoints.ts';
import type { Context } from '@/workflows/context.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel } from '@/workflows/endGeneration.ts';
import { publishEvents, publishEventsOf } from '@/workflows/publishEvents.ts';
import { signUp, type TestStore } from './database.ts';

const REQUEST = { type: 'text-to-image', prompt: 'A beautiful sunset' } as const;
const WANTED = { url: 'https://hooks.example.com/a', events: [...WEBHOOK_EVENTS], enabled: true };
const ACTOR = { kind: 'user', id: 'user_1' } as const;
const WRITER = { actor: ACTOR, origin: 'https://api.example.com' };

/** Sends every query that has to do with webhooks: of an endpoint among many, and of every way that a delivery can go. */
export async function webhookQueries(store: TestStore & Context, userId: Types.ObjectId): Promise<void> {
  const others = await Promise.all(Array.from({ length: 20 }, () => signUp(store)));
  for (const other of others) await createEndpoint(store, other, WANTED, WRITER);
  const { _id } = (await createEndpoint(store, userId, WANTED, WRITER)).endpoint;
  await listEndpoints(store, userId);
  await getEndpoint(store, userId, _id);
  await changeEndpoint(store, userId, _id, { enabled: true }, WRITER);
  await rotateSecret(store, userId, _id, ACTOR);
  await publish(store, userId);
  for (let round = 0; round < 12; round += 1) {
    store.clock.advance(60_000);
    await ping(store, userId, _id);
  }
  await deliver(store, _id, others);
  await findEndpoint(store, _id);
  await countFailedDelivery(store, _id, userId);
  await forgiveEndpoint(store, _id);
  await disableEndpoint(store, _id, 'gone');
  await deleteEndpoint(store, userId, _id, ACTOR);
  store.clock.advance(40 * 24 * 60 * 60 * 1000);
  await removeOldDeliveries(store);
  await removeDeletedEndpoints(store, store.clock.now());
}

async function publish(store: TestStore & Context, userId: Types.ObjectId): Promise<void> {
  await publishEvents(store, store.clock.now());
  for (const publishing of [publishEventsOf, () => publishEvents(store, store.clock.now())]) {
    store.clock.advance(1000);
    const { generation } = await createGeneration(store, { _id: userId }, REQUEST);
    await cancel(store, userId, generation._id);
    await publishing(store, [generation._id]);
  }
}

async function deliver(store: TestStore, endpointId: Types.ObjectId, except: Types.ObjectId[]): Promise<void> {
  const claim = async () => {
    const claimed = await claimDelivery(store, except);
    if (!claimed) throw new Error('There are deliveries');
    return claimed;
  };
  await giveDeliveryBack(store, await claim());
  const nextAttemptAt = new Date(store.clock.now().getTime() + 1000);
  await endAttempt(store, await claim(), { lastError: 'timeout' }, { status: 'pending', nextAttemptAt });
  const failed = await claim();
  await endAttempt(store, failed, { lastStatus: 500, lastError: 'status' }, { status: 'failed' });
  await replayDelivery(store, endpointId, failed._id);
  await replayDelivery(store, endpointId, failed._id).catch(() => {});
  await dropDelivery(store, await claim());
  await endAttempt(store, await claim(), { lastStatus: 200 }, { status: 'succeeded' });
  const [last] = await listDeliveries(store, endpointId, { limit: 5 });
  if (!last) throw new Error('There are deliveries');
  const after = { createdAt: last.createdAt, id: last._id };
  await listDeliveries(store, endpointId, { status: 'pending', limit: 5, after });
}
