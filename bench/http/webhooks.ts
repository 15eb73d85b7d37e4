import type { Types } from 'mongoose';
import { webhookEventsOf } from '../../src/models/collections.ts';
import { createPrice, sellArtifex } from '../../tests/support/stripe/catalogue.ts';
import { customerNaming } from '../../tests/support/stripe/customers.ts';
import { change, subscribe } from '../../tests/support/stripe/lifecycle.ts';
import type { Price, Subscription } from '../../tests/support/stripe/shapes.ts';
import { type StripeServer, startStripeServer } from '../../tests/support/stripe-server.ts';
import { percentile, type Row, rounded } from '../table.ts';
import { atPace, type Paced } from './pace.ts';
import { type BenchPlace, type BenchServer, createPlace } from './servers.ts';

const WEBHOOK_SECRET = `whsec_${btoa('a secret of thirty-two bytes ...')}`;
const LOOK_MS = 50;
const MEBIBYTE = 2 ** 20;

export interface WebhooksSize {
  customers: number;
  /** Webhooks a second. */
  rate: number;
  seconds: number;
  /** Requests a second beside them. */
  requests: number;
}

/** Webhooks that a process takes and applies, and requests beside them. */
export async function webhooks(): Promise<Row[]> {
  const place = await createPlace();
  try {
    const rows: Row[] = [];
    for (const runtime of ['bun', 'node'] as const) {
      const size = { customers: 500, rate: 500, seconds: 30, requests: 50 };
      rows.push({ runtime, ...(await measureWebhooks(place, runtime, size)) });
    }
    return rows;
  } finally {
    await place.remove();
  }
}

/**
 * Customers change their minds all the time, and every change is told once by a signed event. An event counts as applied when the inbox says
 * so, and once when one attempt was enough; a subscription is stale when it does not end as Stripe has it.
 */
export async function measureWebhooks(place: BenchPlace, runtime: 'bun' | 'node', size: WebhooksSize): Promise<Row> {
  const stripe = await startStripeServer();
  const prices = pricesOf(stripe);
  const server = await place.start(runtime, `src/runtimes/${runtime}.ts`, {
    STRIPE_SECRET_KEY: 'sk_test_bench',
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    STRIPE_API_BASE: stripe.url,
    STRIPE_PRICE_PLUS: prices.plus.id,
    STRIPE_PRICE_PRO: prices.pro.id,
  });
  try {
    stripe.sender.sendTo(`${server.url}/webhooks/stripe`, WEBHOOK_SECRET);
    const subscriptions = await sellTo(place, stripe, prices.plus, size.customers);
    await deliverAll(stripe);
    await untilApplied(place);
    const before = new Set(stripe.world.events.keys());
    stripe.calls.length = 0;

    const sending = { isOver: false };
    const began = performance.now();
    const [sent, asked] = await Promise.all([
      send(stripe, subscriptions, size).finally(() => {
        sending.isOver = true;
      }),
      askBeside(server, place, size.requests, sending),
    ]);
    await untilApplied(place);
    const appliedAfter = (performance.now() - began) / 1000 - sent.seconds;

    return {
      'webhooks/s': rounded((sent.latencies.length + sent.failures.length) / sent.sendingSeconds),
      webhooks: sent.latencies.length + sent.failures.length,
      failed: sent.failures.length,
      'p50 ms': rounded(percentile(sent.latencies, 0.5), 1),
      'p99 ms': rounded(percentile(sent.latencies, 0.99), 1),
      ...(await applied(place, newsOf(stripe, before))),
      'applied s after the last': rounded(Math.max(appliedAfter, 0), 1),
      'calls to Stripe': stripe.calls.length,
      stale: await stale(place, subscriptions),
      'requests beside': asked.latencies.length,
      'their failures': asked.failures.length,
      'their p50 ms': rounded(percentile(asked.latencies, 0.5), 1),
      'their p99 ms': rounded(percentile(asked.latencies, 0.99), 1),
      MiB: await memoryOf(server),
    };
  } finally {
    await server.end();
    await stripe.close();
  }
}

function pricesOf({ world }: StripeServer): Record<'plus' | 'pro', Price> {
  const product = sellArtifex(world);
  const price = (tier: string, unit_amount: string) =>
    createPrice(world, { product, unit_amount, lookup_key: `artifex_${tier}` });
  return { plus: price('plus', '1900'), pro: price('pro', '4900') };
}

async function sellTo(
  { store }: BenchPlace,
  { world }: StripeServer,
  price: Price,
  customers: number,
): Promise<Subscription[]> {
  const users = Array.from({ length: customers }, () => ({ clerkUserId: `user_buyer_${crypto.randomUUID()}` }));
  const made = await store.models.User.insertMany(users);
  return made.map(({ _id }: { _id: Types.ObjectId }) =>
    subscribe(world, { customer: customerNaming(world, _id), price }),
  );
}

async function deliverAll({ sender }: StripeServer): Promise<void> {
  const events = sender.undelivered();
  const one = async () => {
    for (let event = events.shift(); event; event = events.shift()) await sender.deliver(event);
  };
  await Promise.all(Array.from({ length: 16 }, one));
}

/** Subscriptions change in turns; each event is brought as it is due. */
function send({ world, sender }: StripeServer, subscriptions: Subscription[], size: WebhooksSize): Promise<Paced> {
  const total = size.rate * size.seconds;
  let sent = 0;
  return atPace(size.rate, () => {
    const subscription = sent === total ? undefined : subscriptions[sent % subscriptions.length];
    if (!subscription) return null;
    sent += 1;
    const event = change(world, subscription, () => {
      subscription.cancel_at_period_end = !subscription.cancel_at_period_end;
    });
    if (!event) throw new Error('A change of mind is news');
    return async () => {
      const { status } = await sender.deliver(event);
      if (status !== 200) throw new Error(`Answered ${status}`);
    };
  });
}

function askBeside({ url }: BenchServer, { tokens }: BenchPlace, rate: number, sending: { isOver: boolean }) {
  let asked = 0;
  return atPace(rate, () => {
    if (sending.isOver) return null;
    const Authorization = `Bearer ${tokens[asked++ % tokens.length]}`;
    return async () => {
      const response = await fetch(`${url}/v1/quota`, { headers: { Authorization } });
      await response.arrayBuffer();
      if (response.status !== 200) throw new Error(`Answered ${response.status}`);
    };
  });
}

const newsOf = ({ world }: StripeServer, before: ReadonlySet<string>) =>
  [...world.events.keys()].filter((id) => !before.has(id)).map((id) => `stripe:${id}`);

async function untilApplied({ store }: BenchPlace): Promise<void> {
  while ((await webhookEventsOf(store).countDocuments({ state: { $in: ['open', 'stuck', 'waiting'] } })) > 0) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function applied({ store }: BenchPlace, ids: string[]): Promise<Row> {
  const kept = await webhookEventsOf(store)
    .find({ _id: { $in: ids }, outcome: 'applied' }, { projection: { attempts: 1 } })
    .toArray();
  return { applied: kept.length, 'at once': kept.filter(({ attempts }) => attempts === 1).length };
}

async function stale({ store }: BenchPlace, subscriptions: readonly Subscription[]): Promise<number> {
  const stored = await store.models.Subscription.find();
  const known = new Map(stored.map((each) => [each.stripeSubscriptionId, each.cancelAtPeriodEnd]));
  return subscriptions.filter(({ id, cancel_at_period_end }) => known.get(id) !== cancel_at_period_end).length;
}

async function memoryOf({ url }: BenchServer): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return rounded(Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]) / MEBIBYTE);
}
