import { AsyncResource } from 'node:async_hooks';
import type { Types } from 'mongoose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { webhookBody } from '@/app.ts';
import { WEBHOOK_EVENTS, WEBHOOK_LIMITS } from '@/domain/webhooks.ts';
import { attempt } from '@/jobs/delivering.ts';
import { auditOf, deliveriesOf, endpointsOf } from '@/models/collections.ts';
import { createPost } from '@/outbound/post.ts';
import { claimDelivery } from '@/repositories/webhookDeliveries.ts';
import { createEndpoint, deleteEndpoint } from '@/repositories/webhookEndpoints.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel } from '@/workflows/endGeneration.ts';
import { eraseUser, exportUser } from '@/workflows/personalData.ts';
import { publishEvents } from '@/workflows/publishEvents.ts';
import { contextOf } from '../support/context.ts';
import { readUser, START, signUp, useDatabase } from '../support/database.ts';
import { asProcess, type Fate } from '../support/interleave.ts';
import { type Receiver, startReceiver } from '../support/webhookReceiver.ts';

const store = useDatabase();
const ctx = contextOf(store);
const actor = { kind: 'library' } as const;
const PROMPT = 'a fairy of my own';

let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());
beforeEach(async () => {
  await deliveriesOf(store).deleteMany({});
  receiver.received.length = 0;
  store.clock.set(START);
});

async function listener() {
  const userId = await signUp(store);
  const wanted = { url: receiver.url, events: [...WEBHOOK_EVENTS], enabled: true };
  return {
    userId,
    ...(await createEndpoint(store, userId, wanted, { actor: { kind: 'library' }, origin: 'https://api.example.com' })),
  };
}

async function cancelled(userId: Types.ObjectId): Promise<void> {
  const request = { type: 'text-to-image', prompt: PROMPT } as const;
  const { generation } = await createGeneration(ctx, { _id: userId }, request);
  await cancel(ctx, userId, generation._id);
}

const publish = () => publishEvents(store, store.clock.now());
const erase = (_id: Types.ObjectId) => eraseUser(store, { _id }, { actor, removePicture: async () => {} });

const deps = {
  store,
  observer: { attempted() {}, ended() {}, endpointDisabled() {} },
  bodyOf: webhookBody,
  post: createPost({ resolve: async () => [], allowLoopback: true, timeoutMs: 10_000 }),
};

async function deliverAll(): Promise<void> {
  for (let claimed = await claimDelivery(store, []); claimed; claimed = await claimDelivery(store, [])) {
    await attempt(deps, claimed, new AbortController().signal);
  }
}

const leftOf = async (userId: Types.ObjectId) => [
  ...(await endpointsOf(store).find({ userId }).toArray()),
  ...(await deliveriesOf(store).find({ userId }).toArray()),
];

describe('an export', () => {
  it('has the endpoints and what was sent to them, and no secret that signs', async () => {
    const { userId, secret } = await listener();
    await cancelled(userId);
    await publish();
    const exported = JSON.stringify(await exportUser(store, { _id: userId }, actor));
    expect(exported).toContain(receiver.url);
    expect(JSON.parse(exported)).toMatchObject({
      webhookEndpoints: [{ url: receiver.url, enabled: true }],
      webhookDeliveries: [{ type: 'generation.cancelled', data: { prompt: PROMPT } }],
    });
    expect(exported).not.toContain(secret);
    expect(exported).not.toContain('whsec_');
  });
});

describe('an erasure', () => {
  it('removes endpoints and deliveries, and of what waited nothing is sent', async () => {
    const { userId } = await listener();
    await cancelled(userId);
    await publish();
    await cancelled(userId);
    await erase(userId);
    expect(await leftOf(userId)).toEqual([]);
    await publish();
    await deliverAll();
    expect(await leftOf(userId)).toEqual([]);
    expect(receiver.received).toEqual([]);
  });

  it('leaves in the audit trail what was done to the endpoints, under the pseudonym, however soon it comes', async () => {
    const userId = await signUp(store);
    const { clerkUserId } = await readUser(store, userId);
    const wanted = { url: receiver.url, events: [...WEBHOOK_EVENTS], enabled: true };
    const writer = { actor: { kind: 'user', id: clerkUserId }, origin: 'https://api.example.com' } as const;
    const { endpoint } = await createEndpoint(store, userId, wanted, writer);
    await deleteEndpoint(store, userId, endpoint._id, writer.actor);
    await erase(userId);
    const trail = await auditOf(store).find({ 'subject.id': endpoint._id }).toArray();
    expect(trail.map(({ action }) => action).sort()).toEqual(['webhook_endpoint.created', 'webhook_endpoint.deleted']);
    expect(new Set(trail.map(({ actor: { id } }) => id))).toEqual(new Set([`erased_${userId.toHexString()}`]));
  });

  it('leaves nothing of an event that is published meanwhile, wherever it comes', async () => {
    const eraseBefore = async (command: number): Promise<boolean> => {
      const { userId } = await listener();
      await cancelled(userId);
      const erasing = AsyncResource.bind(() => erase(userId));
      let sent = 0;
      await asProcess(async (): Promise<Fate> => {
        sent += 1;
        if (sent === command) await erasing();
        return 'lives';
      }, publish);
      if (sent < command) return false;
      await deliverAll();
      expect(await leftOf(userId), `erased before command ${command}`).toEqual([]);
      expect(receiver.received).toEqual([]);
      return true;
    };
    let commands = 1;
    while (await eraseBefore(commands)) commands += 1;
    expect(commands).toBeGreaterThan(4);
  });

  it('that comes during an attempt leaves nothing behind it', async () => {
    const { userId } = await listener();
    await cancelled(userId);
    await publish();
    const claimed = await claimDelivery(store, []);
    if (!claimed) throw new Error('It is due');
    const post = async (...args: Parameters<typeof deps.post>) => {
      await erase(userId);
      return deps.post(...args);
    };
    await attempt({ ...deps, post }, claimed, new AbortController().signal);
    store.clock.advance(WEBHOOK_LIMITS.claimMs);
    await deliverAll();
    expect(await leftOf(userId)).toEqual([]);
  });
});

describe('the deletion of an account', () => {
  it('sends nothing more, and keeps the endpoints for a return', async () => {
    const { userId, endpoint } = await listener();
    await cancelled(userId);
    await publish();
    await store.models.User.updateOne({ _id: userId }, { isDeleted: true, deletedAt: store.clock.now() });
    await deliverAll();
    expect(receiver.received).toEqual([]);
    expect(await deliveriesOf(store).find({ userId }).toArray()).toMatchObject([
      { status: 'failed', lastError: 'endpoint_disabled' },
    ]);
    expect(await endpointsOf(store).findOne({ _id: endpoint._id })).toMatchObject({ enabled: true, isDeleted: false });
  });
});
