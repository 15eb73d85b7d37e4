import { all, flag, type Params, text, texts, whole, within } from './form.ts';
import { bill } from './invoices.ts';
import { change, dropPendingUpdate, end, isOver, release, setPrice } from './lifecycle.ts';
import { page } from './lists.ts';
import { found, invalid, Refusal } from './refusals.ts';
import type { Route } from './routes.ts';
import type { Price, Subscription } from './shapes.ts';
import type { World } from './world.ts';

export const subscriptionRoutes: Route[] = [
  ['GET /v1/subscriptions', (world, params) => page(asked(world, params), params, '/v1/subscriptions')],
  ['GET /v1/subscriptions/:id', (world, _, id) => found(world.subscriptions, 'subscription', id)],
  ['POST /v1/subscriptions/:id', (world, params, id) => update(world, params, id)],
  ['DELETE /v1/subscriptions/:id', (world, params, id) => cancel(world, params, id)],
  [
    'POST /v1/subscriptions/:id/resume',
    (world, _, id) => resume(world, found(world.subscriptions, 'subscription', id)),
  ],
];

/** Without a status, canceled ones are left out. */
function asked(world: World, params: Params): Subscription[] {
  const status = text(params['status']);
  const customer = text(params['customer']);
  if (customer !== undefined && found(world.customers, 'customer', customer).deleted)
    throw new Refusal(400, { code: 'resource_missing', message: `No such customer: '${customer}'`, param: 'customer' });
  const price = text(params['price']);
  return [...world.subscriptions.values()].filter(
    (one) =>
      (status === 'all' || (status === undefined ? one.status !== 'canceled' : one.status === status)) &&
      (customer === undefined || one.customer === customer) &&
      (price === undefined || one.items.data.some((item) => item.price.id === price)),
  );
}

function update(world: World, params: Params, id: string): Subscription {
  const subscription = found(world.subscriptions, 'subscription', id);
  if (isOver(subscription))
    throw invalid('A canceled subscription can only update its cancellation_details and metadata.');
  const cancelAtEnd = flag(params['cancel_at_period_end']);
  if (subscription.schedule !== null && (cancelAtEnd !== undefined || params['items'] !== undefined))
    throw invalid(
      `The subscription is managed by the subscription schedule \`${subscription.schedule}\`, and updating any cancelation behavior or price directly is not allowed. Please update the schedule instead.`,
    );
  const [item] = all(params['items']);
  change(world, subscription, () => {
    if (params['metadata'] !== undefined)
      subscription.metadata = { ...subscription.metadata, ...texts(params['metadata']) };
    if (cancelAtEnd !== undefined) {
      subscription.cancel_at_period_end = cancelAtEnd;
      subscription.cancel_at = cancelAtEnd ? (subscription.items.data[0]?.current_period_end ?? null) : null;
      subscription.canceled_at = cancelAtEnd ? world.now : null;
      subscription.cancellation_details = {
        comment: cancelAtEnd ? (text(within(params['cancellation_details'])['comment']) ?? null) : null,
        feedback: null,
        feedback_option: null,
        reason: cancelAtEnd ? 'cancellation_requested' : null,
      };
    }
    if (item) sellOther(world, subscription, item, params);
  });
  return subscription;
}

/**
 * Another price in the running period. With `pending_if_incomplete` the change waits for its payment
 * (https://docs.stripe.com/billing/subscriptions/pending-updates).
 */
function sellOther(world: World, subscription: Subscription, asked: Params, params: Params): void {
  const current = subscription.items.data.find(({ id }) => id === text(asked['id']));
  if (!current) throw invalid('Name the item of the subscription that is to change', 'items[0][id]');
  const price = found(world.prices, 'price', text(asked['price']));
  dropPendingUpdate(world, subscription);
  const difference = price.unit_amount - current.price.unit_amount;
  if (
    text(params['proration_behavior']) !== 'always_invoice' ||
    difference <= 0 ||
    subscription.status === 'trialing'
  ) {
    current.price = price;
    return;
  }
  const { isPaid } = bill(world, subscription, 'subscription_update', prorated(world, subscription, difference));
  if (isPaid) current.price = price;
  else if (text(params['payment_behavior']) === 'pending_if_incomplete') holdBack(world, subscription, price);
  else {
    current.price = price;
    subscription.status = 'past_due';
  }
}

function holdBack(world: World, subscription: Subscription, price: Price): void {
  subscription.pending_update = {
    expires_at: world.now + 23 * 3600,
    subscription_items: subscription.items.data.map((item) => ({ ...item, price })),
  };
}

/** The open part of the period, of the difference. */
function prorated(world: World, subscription: Subscription, difference: number): number {
  const [item] = subscription.items.data;
  if (!item) return difference;
  const { current_period_start: start, current_period_end: finish } = item;
  return Math.round((difference * (finish - world.now)) / (finish - start));
}

function cancel(world: World, params: Params, id: string): Subscription {
  const subscription = found(world.subscriptions, 'subscription', id);
  if (isOver(subscription)) throw invalid(`No such subscription: '${id}'`, 'id');
  end(world, subscription, 'canceled', text(within(params['cancellation_details'])['comment']) ?? null);
  return subscription;
}

function resume(world: World, subscription: Subscription): Subscription {
  if (subscription.status !== 'paused') throw invalid('Only a paused subscription can be resumed.');
  change(world, subscription, () => {
    subscription.status = 'active';
  });
  return subscription;
}

export const scheduleRoutes: Route[] = [
  ['POST /v1/subscription_schedules', (world, params) => createSchedule(world, params)],
  [
    'GET /v1/subscription_schedules',
    (world, params) => page(world.schedules.values(), params, '/v1/subscription_schedules'),
  ],
  ['GET /v1/subscription_schedules/:id', (world, _, id) => found(world.schedules, 'subscription schedule', id)],
  ['POST /v1/subscription_schedules/:id', (world, params, id) => updateSchedule(world, params, id)],
  ['POST /v1/subscription_schedules/:id/release', (world, _, id) => releaseSchedule(world, id)],
];

function createSchedule(world: World, params: Params) {
  const from = found(world.subscriptions, 'subscription', text(params['from_subscription']));
  if (from.schedule !== null) throw invalid('The subscription is already attached to a schedule.', 'from_subscription');
  if (isOver(from)) throw invalid('The subscription has ended.', 'from_subscription');
  if (from.cancel_at_period_end)
    throw invalid('A schedule cannot be made from a subscription that ends with its period.', 'from_subscription');
  const id = world.id('sub_sched');
  const [item] = from.items.data;
  const start = item?.current_period_start ?? world.now;
  const finish = item?.current_period_end ?? world.now;
  world.schedules.set(id, {
    id,
    object: 'subscription_schedule',
    canceled_at: null,
    completed_at: null,
    created: world.now,
    current_phase: { start_date: start, end_date: finish },
    customer: from.customer,
    end_behavior: 'release',
    livemode: false,
    metadata: texts(params['metadata']),
    phases: [
      {
        start_date: start,
        end_date: finish,
        items: from.items.data.map(({ price, quantity }) => ({ price: price.id, quantity })),
        proration_behavior: 'create_prorations',
      },
    ],
    released_at: null,
    released_subscription: null,
    status: 'active',
    subscription: from.id,
  });
  change(world, from, () => {
    from.schedule = id;
  });
  const schedule = found(world.schedules, 'subscription schedule', id);
  world.emit('subscription_schedule.created', schedule);
  return schedule;
}

function updateSchedule(world: World, params: Params, id: string) {
  const schedule = found(world.schedules, 'subscription schedule', id);
  if (schedule.status !== 'active') throw invalid(`You cannot update a schedule that is ${schedule.status}.`);
  const phases = all(params['phases']);
  const [current] = schedule.phases;
  if (phases.length > 0 && current) {
    let start = current.start_date;
    schedule.phases = phases.map((phase) => {
      const given = text(phase['start_date']) === 'now' ? world.now : whole(phase['start_date']);
      if (given !== undefined) start = given;
      const finish = phaseEnd(phase, start);
      const items = all(phase['items']).map((item) => ({
        price: found(world.prices, 'price', text(item['price'])).id,
        quantity: whole(item['quantity']) ?? 1,
      }));
      const made = {
        start_date: start,
        end_date: finish,
        items,
        proration_behavior: text(phase['proration_behavior']) ?? 'create_prorations',
      };
      start = finish;
      return made;
    });
    if (schedule.phases[0]?.start_date !== current.start_date)
      throw invalid('The start date of the current phase cannot be changed.', 'phases[0][start_date]');
  }
  if (text(params['end_behavior']) === 'cancel') schedule.end_behavior = 'cancel';
  if (text(params['end_behavior']) === 'release') schedule.end_behavior = 'release';
  world.emit('subscription_schedule.updated', schedule);
  const subscription = schedule.subscription === null ? undefined : world.subscriptions.get(schedule.subscription);
  if (subscription) world.emit('customer.subscription.updated', subscription, {});
  return schedule;
}

function phaseEnd(phase: Params, start: number): number {
  const given = whole(phase['end_date']);
  if (given !== undefined) return given;
  const duration = within(phase['duration']);
  const count = whole(duration['interval_count']) ?? 1;
  const at = new Date(start * 1000);
  at.setUTCMonth(at.getUTCMonth() + count * (text(duration['interval']) === 'year' ? 12 : 1));
  return at.getTime() / 1000;
}

function releaseSchedule(world: World, id: string) {
  const schedule = found(world.schedules, 'subscription schedule', id);
  if (schedule.status !== 'active' || schedule.subscription === null)
    throw invalid(`You cannot release a schedule that is ${schedule.status}.`);
  const subscription = found(world.subscriptions, 'subscription', schedule.subscription);
  change(world, subscription, () => release(world, subscription));
  return schedule;
}

/** For the dashboard: another price at once, without an invoice. It takes the place of one that waits for its payment. */
export function dashboardPrice(world: World, subscription: Subscription, price: Price): void {
  change(world, subscription, () => {
    dropPendingUpdate(world, subscription);
    setPrice(subscription, price);
  });
}
