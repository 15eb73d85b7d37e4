import { AsyncResource } from 'node:async_hooks';
import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { webhookBody } from '@/app.ts';
import { RETRY_DELAYS_MS, WEBHOOK_EVENTS, WEBHOOK_LIMITS } from '@/domain/webhooks.ts';
import { attempt } from '@/jobs/delivering.ts';
import { deliveriesOf, endpointsOf, generationsOf } from '@/models/collections.ts';
import type { WebhookDelivery } from '@/models/WebhookDelivery.ts';
import type { WebhookEndpoint } from '@/models/WebhookEndpoint.ts';
import { createPost } from '@/outbound/post.ts';
import { claimDelivery } from '@/repositories/webhookDeliveries.ts';
import { createEndpoint } from '@/repositories/webhookEndpoints.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel } from '@/workflows/endGeneration.ts';
import { publishEvents, publishEventsOf } from '@/workflows/publishEvents.ts';
import type { Command } from '../support/commandGate.ts';
import { contextOf } from '../support/context.ts';
import { START, signUp, useDatabase } from '../support/database.ts';
import { asProcess, Crash, FAULTS, type Fate } from '../support/interleave.ts';
import { type Receiver, startReceiver } from '../support/webhookReceiver.ts';

const store = useDatabase();
const ctx = contextOf(store);
const HOUR = 3_600_000;

let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());

const deps = {
  store,
  observer: { attempted() {}, ended() {}, endpointDisabled() {} },
  bodyOf: webhookBody,
  random: () => 0.5,
  post: createPost({ resolve: async () => [], allowLoopback: true, timeoutMs: 10_000 }),
};

/** A user with endpoints, and two events that are still to be published. */
interface World {
  generationIds: Types.ObjectId[];
  secret: string;
}

async function begin(endpoints: number): Promise<World> {
  await Promise.all([generationsOf(store), endpointsOf(store), deliveriesOf(store)].map((all) => all.deleteMany({})));
  store.clock.set(START);
  receiver.received.length = 0;
  receiver.answer(200);
  const userId = await signUp(store);
  const wanted = { url: receiver.url, events: [...WEBHOOK_EVENTS], enabled: true };
  const { secret } = await createEndpoint(store, userId, wanted, {
    actor: { kind: 'library' },
    origin: 'https://api.example.com',
  });
  for (let more = 1; more < endpoints; more += 1) {
    await createEndpoint(
      store,
      userId,
      { ...wanted, url: `${receiver.url}/${more}` },
      { actor: { kind: 'library' }, origin: 'https://api.example.com' },
    );
  }
  const generationIds: Types.ObjectId[] = [];
  for (const prompt of ['A lake', 'A hill']) {
    const { generation } = await createGeneration(ctx, { _id: userId }, { type: 'text-to-image', prompt });
    await cancel(ctx, userId, generation._id);
    generationIds.push(generation._id);
  }
  return { generationIds, secret };
}

async function deliverNext(signal = new AbortController().signal): Promise<boolean> {
  const claimed = await claimDelivery(store, []);
  if (claimed) await attempt(deps, claimed, signal);
  return claimed !== null;
}

/** The sweep comes by, claims of the dead run out, and the couriers of the living go on until nothing waits. */
async function recover(): Promise<void> {
  await publishEvents(store, store.clock.now());
  for (let rounds = 0; (await deliveriesOf(store).countDocuments({ status: 'pending' })) > 0; rounds += 1) {
    if (rounds > 20) throw new Error('Something is pending for ever');
    store.clock.advance(rounds === 0 ? WEBHOOK_LIMITS.claimMs : 10 * HOUR);
    while (await deliverNext());
  }
}

interface Left {
  deliveries: WebhookDelivery[];
  endpoints: WebhookEndpoint[];
}

interface Scenario {
  name: string;
  endpoints?: number;
  /** @returns the call, as each process makes it */
  prepare(world: World): Promise<() => Promise<unknown>>;
  /** How many requests are sent when nothing goes wrong. */
  requests: number;
  /** What holds when all has come to rest, whatever befell the call. */
  expect(left: Left): void;
}

const published = () => publishEvents(store, store.clock.now());

/** One event alone is due, at its last attempt. */
async function lastAttempt(failedBefore: Types.ObjectId[]): Promise<void> {
  await published();
  await deliveriesOf(store).findOneAndDelete({});
  await deliveriesOf(store).updateMany({}, { $set: { tries: RETRY_DELAYS_MS.length } });
  await endpointsOf(store).updateMany({}, { $set: { failedDeliveries: failedBefore } });
}
const someIds = (count: number) => Array.from({ length: count }, () => new Types.ObjectId());

const everythingSucceeded = ({ deliveries }: Left, count: number) => {
  expect(deliveries).toHaveLength(count);
  for (const each of deliveries) expect(each).toMatchObject({ status: 'succeeded', lastStatus: 200 });
  expect(new Set(receiver.received.map(({ id }) => id))).toEqual(new Set(deliveries.map(({ eventId }) => eventId)));
};

const scenarios: Scenario[] = [
  {
    name: 'publishing what was noticed',
    requests: 4,
    endpoints: 2,
    prepare:
      async ({ generationIds }) =>
      () =>
        publishEventsOf(store, generationIds),
    expect: (left) => everythingSucceeded(left, 4),
  },
  {
    name: 'publishing what has waited',
    requests: 4,
    endpoints: 2,
    prepare: async () => published,
    expect: (left) => everythingSucceeded(left, 4),
  },
  {
    name: 'delivering',
    requests: 2,
    async prepare() {
      await published();
      return () => deliverNext();
    },
    expect: (left) => everythingSucceeded(left, 2),
  },
  {
    name: 'delivering to a receiver that was away',
    requests: 3,
    async prepare() {
      await published();
      receiver.answer(503, 200);
      return () => deliverNext();
    },
    expect: (left) => everythingSucceeded(left, 2),
  },
  {
    name: 'delivering to a receiver that has failed before',
    requests: 2,
    async prepare() {
      await published();
      await endpointsOf(store).updateMany({}, { $set: { failedDeliveries: someIds(3) } });
      return () => deliverNext();
    },
    expect(left) {
      everythingSucceeded(left, 2);
      expect(left.endpoints[0]?.failedDeliveries).toEqual([]);
    },
  },
  {
    name: 'giving up a delivery',
    requests: 1,
    async prepare() {
      await lastAttempt(someIds(2));
      receiver.answer(500);
      return () => deliverNext();
    },
    expect({ deliveries: [delivery], endpoints: [endpoint] }) {
      expect(delivery).toMatchObject({ status: 'failed', lastError: 'status' });
      // Counted once, however often it was told.
      expect(endpoint).toMatchObject({ enabled: true, failedDeliveries: { length: 3 } });
    },
  },
  {
    name: 'giving up the last delivery that is borne',
    requests: 1,
    async prepare() {
      await lastAttempt(someIds(WEBHOOK_LIMITS.failuresBeforeDisabled - 1));
      receiver.answer(500);
      return () => deliverNext();
    },
    expect({ deliveries: [delivery], endpoints: [endpoint] }) {
      expect(delivery?.status).toBe('failed');
      expect(endpoint).toMatchObject({ enabled: false, disabledReason: 'failing' });
    },
  },
  {
    name: 'delivering to a receiver that is gone',
    requests: 1,
    async prepare() {
      await published();
      receiver.answer(410);
      return () => deliverNext();
    },
    expect({ deliveries, endpoints: [endpoint] }) {
      expect(deliveries.map(({ status }) => status)).toEqual(['failed', 'failed']);
      expect(endpoint).toMatchObject({ enabled: false, disabledReason: 'gone' });
    },
  },
  {
    name: 'giving a delivery back',
    requests: 2,
    async prepare() {
      await published();
      return () => deliverNext(AbortSignal.abort(new Error('stopping')));
    },
    expect: (left) => everythingSucceeded(left, 2),
  },
];

interface Played {
  sent: Command[];
  end: unknown;
}

/** What one process does, whose commands have the fates that `decide` gives them; then everything comes to rest. */
async function play(scenario: Scenario, decide: (at: number) => Fate | Promise<Fate>): Promise<Played> {
  const world = await begin(scenario.endpoints ?? 1);
  const call = await scenario.prepare(world);
  const sent: Command[] = [];
  const outcome = asProcess((command) => decide(sent.push(command) - 1), call);
  const end = await outcome.then(
    () => 'done',
    (error: unknown) => error,
  );
  if (end instanceof Error && !(end instanceof Crash || end.name.startsWith('Mongo'))) throw end;
  await recover();
  const left = {
    deliveries: await deliveriesOf(store).find({}).toArray(),
    endpoints: await endpointsOf(store).find({}).toArray(),
  };
  scenario.expect(left);
  if (left.endpoints.length === 1) receiver.verify(world.secret);
  expect(await generationsOf(store).countDocuments({ announcements: { $exists: true } })).toBe(0);
  return { sent, end };
}

const failsAt =
  (place: number, fault: Fate) =>
  (at: number): Fate =>
    at === place ? fault : 'lives';

describe('whatever befalls any of its commands', () => {
  it.each(scenarios)('$name loses no event, and counts nothing twice', { timeout: 60_000 }, async (scenario) => {
    const { sent, end } = await play(scenario, () => 'lives');
    expect(end).toBe('done');
    expect(receiver.received).toHaveLength(scenario.requests);
    expect(sent.length).toBeGreaterThan(2);
    for (const [place, command] of sent.entries()) {
      for (const fault of FAULTS.filter((each) => command.sendPart || !['partly', 'cut off'].includes(each))) {
        await play(scenario, failsAt(place, fault)).catch((cause: unknown) => {
          throw new Error(`${fault} at command ${place + 1}, ${command.collection}.${command.name}`, { cause });
        });
      }
    }
  });

  it.each(scenarios)('$name may be overtaken by others', { timeout: 60_000 }, async (scenario) => {
    const { sent } = await play(scenario, () => 'lives');
    for (const place of sent.keys()) {
      // The others are processes of their own.
      const overtake = AsyncResource.bind(recover);
      await play(scenario, async (at): Promise<Fate> => {
        if (at === place) await overtake();
        return 'lives';
      }).catch((cause: unknown) => {
        throw new Error(`overtaken before command ${place + 1}`, { cause });
      });
    }
  });
});
