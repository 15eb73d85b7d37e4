import { Types } from 'mongoose';
import Stripe from 'stripe';
import { z } from 'zod';
import { deliveriesOf } from '@/models/collections.ts';
import { eventId, keepEvent } from '@/repositories/inbox.ts';
import { claim } from '@/workflows/claim.ts';
import { type Caller, STRIPE_WEBHOOK_SECRET, type TestApplication, WORKER_TOKEN } from '../../support/application.ts';
import { signedClerkEvent } from '../../support/clerkEvents.ts';
import { signUp } from '../../support/database.ts';
import type { Described, Operation } from '../../support/openapi.ts';
import { complete } from '../../support/stripe/checkout.ts';
import type { StripeServer } from '../../support/stripe-server.ts';

/** What has to be said for an operation to be answered with a success. */
export interface Call {
  headers?: Record<string, string>;
  raw?: BodyInit;
  params?: Record<string, string>;
  body?: unknown;
}

interface World {
  api: TestApplication;
  /** Whose the resources are. */
  owner: Caller;
  /** Where there is none, nothing can be bought. */
  stripe?: StripeServer;
}

const answered = z.looseObject({ id: z.string() });

async function pendingGeneration({ owner }: World): Promise<Call> {
  const made = await owner.post('/v1/generations', { type: 'text-to-image', prompt: 'A lighthouse' });
  return { params: { id: answered.parse(await made.json()).id } };
}

/** One whose stream of events ends by itself. */
async function endedGeneration(world: World): Promise<Call> {
  const call = await pendingGeneration(world);
  await world.owner.post(`/v1/generations/${call.params?.['id']}/cancel`);
  return call;
}

async function somebody({ api }: World): Promise<{ params: { id: string } }> {
  const id: Types.ObjectId = await signUp(api.ctx);
  return { params: { id: id.toHexString() } };
}

async function picture({ api }: World): Promise<Call> {
  api.pictures.set('a.png', { bytes: new Uint8Array([1]), contentType: 'image/png' });
  return { params: { name: 'a.png' } };
}

async function endpoint({ owner }: World): Promise<{ params: { id: string } }> {
  const body = { url: 'https://hooks.example.com/artifex', events: ['generation.completed'] };
  const made = await owner.post('/v1/webhook-endpoints', body);
  return { params: { id: answered.parse(await made.json()).id } };
}

async function keptEvent({ api }: World): Promise<Call> {
  const id = `evt_${new Types.ObjectId().toHexString()}`;
  const told = { source: 'stripe', id, type: 'invoice.paid', occurredAt: new Date(0), facts: { names: [] } } as const;
  await keepEvent(api.ctx, told, false);
  return { params: { id: eventId('stripe', id) } };
}

/** Only what has ended can be sent again. */
async function endedDelivery(world: World): Promise<Call> {
  const { id } = (await endpoint(world)).params;
  const sent = await world.owner.post(`/v1/webhook-endpoints/${id}/ping`);
  const deliveryId = answered.parse(await sent.json()).id;
  await deliveriesOf(world.api.ctx).updateOne(
    { _id: new Types.ObjectId(deliveryId) },
    { $set: { status: 'succeeded' }, $unset: { nextAttemptAt: 1 } },
  );
  return { params: { id, deliveryId } };
}

/** One that a worker has claimed, with what it may say of it. */
function claimedGeneration(said: object) {
  return async (world: World): Promise<Call> => {
    await pendingGeneration(world);
    const claimed = await claim(world.api.ctx, { workerId: 'w', leaseSeconds: 60 });
    if (!claimed) throw new Error('One was just made');
    return { params: { id: claimed._id.toHexString() }, body: { leaseToken: claimed.lease.token, ...said } };
  };
}

async function customer({ owner }: World): Promise<Call> {
  await owner.post('/v1/subscription/checkout', { tier: 'plus' });
  return {};
}

async function subscriber(world: World): Promise<Call> {
  const call = await customer(world);
  const { stripe } = world;
  if (stripe) for (const id of [...stripe.world.sessions.keys()]) complete(stripe.world, id);
  return call;
}

/** Signed, and of no interest: what follows from others is tested elsewhere. */
async function stripeEvent(): Promise<Call> {
  const raw = JSON.stringify({ id: 'evt_1', object: 'event', type: 'product.created', livemode: false, data: {} });
  const signature = await new Stripe('sk_test_sender').webhooks.generateTestHeaderStringAsync({
    payload: raw,
    secret: STRIPE_WEBHOOK_SECRET,
  });
  return { raw, headers: { 'Stripe-Signature': signature } };
}

async function clerkEvent(): Promise<Call> {
  return signedClerkEvent({ type: 'session.created', timestamp: 1, data: { id: 'sess_1' } });
}

const PICTURE = { url: 'https://pictures.example.com/a.png', filename: 'a.png', size: 1 };

/**
 * The resources that paths name. An operation needs no line where its path has no parameter, and its body an example in the description;
 * any other that has none cannot be called, and fails the walk.
 */
const RESOURCES: Readonly<Record<string, (world: World) => Promise<Call>>> = {
  'PATCH /v1/subscription': subscriber,
  '/v1/subscription/portal': customer,
  '/webhooks/stripe': stripeEvent,
  '/webhooks/clerk': clerkEvent,
  '/v1/generations/{id}': pendingGeneration,
  '/v1/generations/{id}/cancel': pendingGeneration,
  '/v1/generations/{id}/events': endedGeneration,
  '/v1/worker/generations/claim': async (world) => {
    await pendingGeneration(world);
    return {};
  },
  '/v1/worker/generations/{id}/heartbeat': claimedGeneration({}),
  '/v1/worker/generations/{id}/complete': claimedGeneration({ outputImages: [PICTURE] }),
  '/v1/worker/generations/{id}/fail': claimedGeneration({ errorMessage: 'no' }),
  '/v1/webhook-endpoints/{id}': endpoint,
  '/v1/webhook-endpoints/{id}/secret/rotate': endpoint,
  '/v1/webhook-endpoints/{id}/ping': endpoint,
  '/v1/webhook-endpoints/{id}/deliveries': endpoint,
  '/v1/webhook-endpoints/{id}/deliveries/{deliveryId}/replay': endedDelivery,
  '/v1/admin/users/{id}': somebody,
  '/v1/admin/users/{id}/quota/reset': somebody,
  '/v1/admin/users/{id}/quota/grant': somebody,
  '/v1/admin/webhooks/{id}/replay': keptEvent,
  '/images/{name}': picture,
};

/** Tokens by the scheme that the description names. */
export const TOKENS: Readonly<Record<string, (api: TestApplication) => Promise<string>>> = {
  session: async (api) => (await api.person()).token,
  worker: async () => WORKER_TOKEN,
  admin: async (api) => (await api.person({ metadata: { role: 'admin' } })).token,
};

/** @throws {Error} that says what is missing */
export async function callOf(described: Described, operation: Operation, world: World): Promise<Call> {
  const { method, path, body } = operation;
  const resource = RESOURCES[`${method} ${path}`] ?? RESOURCES[path];
  if (path.includes('{') && !resource)
    throw new Error(`Nobody says what to put into ${path}: see tests/http/contract/calls.ts`);
  const call = (await resource?.(world)) ?? {};
  if (body === undefined || 'body' in call) return call;
  const [example] = z.array(z.unknown()).catch([]).parse(described.resolved(body)['examples']);
  if (example === undefined)
    throw new Error(`${method} ${path} has no example of its body, and tests/http/contract/calls.ts none either`);
  return { ...call, body: example };
}

/** The path with its parameters in place. */
export function addressOf(path: string, params: Record<string, string> = {}): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? `{${name}}`);
}

/** Sends the call, with what a test changes of it. */
export function send(
  api: TestApplication,
  { method, path }: Operation,
  call: Call & { token?: string | undefined; search?: string; raw?: BodyInit; contentType?: string },
): Promise<Response> {
  const body = call.raw ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
  return api.request(`${addressOf(path, call.params)}${call.search ?? ''}`, {
    method,
    headers: {
      ...call.headers,
      ...(call.token !== undefined && { Authorization: `Bearer ${call.token}` }),
      ...(body !== undefined && { 'Content-Type': call.contentType ?? 'application/json' }),
    },
    ...(body !== undefined && { body }),
  });
}
