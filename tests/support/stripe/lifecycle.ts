import { DAY, monthsOn, periodEndAfter } from './calendar.ts';
import { attemptPayment, bill } from './invoices.ts';
import type { Event, Price, Subscription, SubscriptionItem } from './shapes.ts';
import { the, type World } from './world.ts';

/** How long an incomplete subscription waits for its first payment: 23 hours (https://docs.stripe.com/billing/subscriptions/overview). */
const INCOMPLETE_SECONDS = 23 * 3600;

export interface Order {
  customer: string;
  price: Price;
  quantity?: number;
  metadata?: Record<string, string>;
  trialDays?: number;
}

/** Sells a subscription: active when the card pays, trialing in a trial, and else incomplete. */
export function subscribe(world: World, order: Order): Subscription {
  const { customer, price, metadata = {}, trialDays = 0, quantity = 1 } = order;
  const trialEnd = trialDays > 0 ? world.now + trialDays * DAY : null;
  const id = world.id('sub');
  const subscription: Subscription = {
    id,
    object: 'subscription',
    billing_cycle_anchor: trialEnd ?? world.now,
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: null,
    cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
    collection_method: 'charge_automatically',
    created: world.now,
    currency: price.currency,
    customer,
    ended_at: null,
    items: { object: 'list', data: [], has_more: false, url: `/v1/subscription_items?subscription=${id}` },
    latest_invoice: null,
    livemode: false,
    metadata,
    pause_collection: null,
    pending_update: null,
    schedule: null,
    start_date: world.now,
    status: trialEnd ? 'trialing' : 'incomplete',
    trial_end: trialEnd,
    trial_start: trialEnd ? world.now : null,
  };
  subscription.items.data.push(itemOf(world, id, price, quantity, world.now, trialEnd ?? monthsOn(world.now, 1)));
  world.subscriptions.set(id, subscription);
  const { isPaid } = bill(world, subscription, 'subscription_create', trialEnd ? 0 : price.unit_amount * quantity);
  if (isPaid && !trialEnd) subscription.status = 'active';
  world.emit('customer.subscription.created', subscription);
  return subscription;
}

export function itemOf(
  world: World,
  subscription: string,
  price: Price,
  quantity: number,
  start: number,
  end: number,
): SubscriptionItem {
  return {
    id: world.id('si'),
    object: 'subscription_item',
    created: world.now,
    current_period_end: end,
    current_period_start: start,
    metadata: {},
    price,
    quantity,
    subscription,
  };
}

/** Does something to a subscription, and tells of what it changed, if anything. */
export function change(world: World, subscription: Subscription, work: () => void): Event | undefined {
  const before = structuredClone(subscription);
  work();
  const previous = differences(before, subscription);
  if (Object.keys(previous).length === 0) return undefined;
  return world.emit('customer.subscription.updated', subscription, previous);
}

function differences(before: Subscription, after: Subscription): Record<string, unknown> {
  const now = new Map(Object.entries(after));
  return Object.fromEntries(
    Object.entries(before).filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(now.get(field))),
  );
}

export function end(world: World, subscription: Subscription, status: string, comment: string | null = null): void {
  subscription.status = status;
  subscription.ended_at = world.now;
  subscription.canceled_at ??= world.now;
  subscription.cancellation_details = {
    comment: comment ?? subscription.cancellation_details?.comment ?? null,
    feedback: null,
    feedback_option: null,
    reason: 'cancellation_requested',
  };
  subscription.pending_update = null;
  const schedule = subscription.schedule === null ? undefined : world.schedules.get(subscription.schedule);
  if (schedule) {
    schedule.status = 'canceled';
    schedule.canceled_at = world.now;
    subscription.schedule = null;
  }
  world.emit('customer.subscription.deleted', subscription);
}

export const isOver = ({ status }: Subscription): boolean => status === 'canceled' || status === 'incomplete_expired';

/** Replaces the price now, in the running period. */
export function setPrice(subscription: Subscription, price: Price): void {
  for (const item of subscription.items.data.slice(0, 1)) item.price = price;
}

/** What becomes due between two instants, in the order in which it does. */
export function advanceTo(world: World, instant: number): void {
  for (;;) {
    const next = [...world.subscriptions.values()]
      .filter((subscription) => !isOver(subscription))
      .map((subscription) => ({ subscription, at: nextInstant(world, subscription) }))
      .filter(({ at }) => at <= instant)
      .sort((one, other) => one.at - other.at)[0];
    if (!next) break;
    world.now = Math.max(world.now, next.at);
    step(world, next.subscription);
  }
  world.now = instant;
}

function nextInstant(world: World, subscription: Subscription): number {
  if (subscription.status === 'incomplete') return subscription.created + INCOMPLETE_SECONDS;
  const invoice = subscription.latest_invoice === null ? undefined : world.invoices.get(subscription.latest_invoice);
  const retry =
    invoice?.status === 'open' ? (invoice.next_payment_attempt ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  const periodEnd = subscription.items.data[0]?.current_period_end ?? Number.POSITIVE_INFINITY;
  const cancelAt = subscription.cancel_at ?? Number.POSITIVE_INFINITY;
  const pendingUntil = subscription.pending_update?.expires_at ?? Number.POSITIVE_INFINITY;
  return Math.min(retry, periodEnd, cancelAt, pendingUntil);
}

function step(world: World, subscription: Subscription): void {
  const [item] = subscription.items.data;
  const isPeriodOver = item !== undefined && item.current_period_end <= world.now;
  const isCancelDue = subscription.cancel_at !== null && subscription.cancel_at <= world.now;
  if (subscription.status === 'incomplete') end(world, subscription, 'incomplete_expired');
  else if (isCancelDue || (isPeriodOver && subscription.cancel_at_period_end)) end(world, subscription, 'canceled');
  else if (isPeriodOver) renew(world, subscription);
  else if (subscription.pending_update) expirePendingUpdate(world, subscription);
  else retryPayment(world, subscription);
}

function expirePendingUpdate(world: World, subscription: Subscription): void {
  dropPendingUpdate(world, subscription);
  world.emit('customer.subscription.pending_update_expired', subscription);
}

/** A change that was not paid for does not come about, and its invoice is void (https://docs.stripe.com/billing/subscriptions/pending-updates). */
export function dropPendingUpdate(world: World, subscription: Subscription): void {
  if (!subscription.pending_update) return;
  subscription.pending_update = null;
  const invoice = the(world.invoices, subscription.latest_invoice ?? 'invoice of a pending update');
  invoice.status = 'void';
  invoice.next_payment_attempt = null;
  world.emit('invoice.voided', invoice);
}

function renew(world: World, subscription: Subscription): void {
  const isPaused = subscription.status === 'paused';
  dropPendingUpdate(world, subscription);
  change(world, subscription, () => {
    enterPhase(world, subscription);
    for (const item of subscription.items.data) {
      item.current_period_start = item.current_period_end;
      item.current_period_end = periodEndAfter(subscription.billing_cycle_anchor, item.current_period_start);
    }
    // Nothing is billed while a subscription is paused or unpaid and collection stands still.
    if (isPaused || subscription.status === 'unpaid') return;
    const amount = subscription.items.data.reduce((sum, { price, quantity }) => sum + price.unit_amount * quantity, 0);
    const { isPaid } = bill(world, subscription, 'subscription_cycle', amount);
    subscription.status = isPaid ? 'active' : 'past_due';
  });
}

function retryPayment(world: World, subscription: Subscription): void {
  const invoice = the(world.invoices, subscription.latest_invoice ?? 'invoice to try again');
  if (attemptPayment(world, invoice)) recovered(world, subscription);
  else if (invoice.next_payment_attempt === null) end(world, subscription, 'canceled');
}

/** The open invoice is paid, by the customer or after another attempt: what it was for comes about. */
export function payOpenInvoice(world: World, subscription: Subscription): void {
  const invoice = the(world.invoices, subscription.latest_invoice ?? 'open invoice');
  if (invoice.status !== 'open' || isOver(subscription) || !attemptPayment(world, invoice)) return;
  recovered(world, subscription);
}

function recovered(world: World, subscription: Subscription): void {
  change(world, subscription, () => {
    if (subscription.pending_update) subscription.items.data = subscription.pending_update.subscription_items;
    subscription.pending_update = null;
    if (subscription.status !== 'trialing') subscription.status = 'active';
  });
}

/** The next phase of the schedule begins where the last one ended; behind the last one the schedule lets go. */
function enterPhase(world: World, subscription: Subscription): void {
  const schedule = subscription.schedule === null ? undefined : world.schedules.get(subscription.schedule);
  if (!schedule) return;
  const phase = schedule.phases.find(({ start_date, end_date }) => start_date <= world.now && world.now < end_date);
  const [item] = phase?.items ?? [];
  if (phase && item) {
    setPrice(subscription, the(world.prices, item.price));
    schedule.current_phase = { start_date: phase.start_date, end_date: phase.end_date };
    world.emit('subscription_schedule.updated', schedule);
  }
  if (phase === undefined || phase === schedule.phases.at(-1)) release(world, subscription);
}

/** Takes the schedule off; the subscription goes on as it is. */
export function release(world: World, subscription: Subscription): void {
  const schedule = the(world.schedules, subscription.schedule ?? 'schedule to release');
  schedule.status = 'released';
  schedule.released_at = world.now;
  schedule.released_subscription = subscription.id;
  schedule.subscription = null;
  subscription.schedule = null;
  world.emit('subscription_schedule.released', schedule);
}
