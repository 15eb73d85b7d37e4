import { DAY } from './calendar.ts';
import { livingCustomer } from './customers.ts';
import { all, type Params, text, texts, whole, within } from './form.ts';
import { isOver, subscribe } from './lifecycle.ts';
import { page } from './lists.ts';
import { found, invalid } from './refusals.ts';
import type { Route } from './routes.ts';
import type { CheckoutSession, Subscription } from './shapes.ts';
import { the, type World } from './world.ts';

export const checkoutRoutes: Route[] = [
  ['POST /v1/checkout/sessions', (world, params) => createSession(world, params)],
  ['GET /v1/checkout/sessions', (world, params) => page(asked(world, params), params, '/v1/checkout/sessions')],
  ['GET /v1/checkout/sessions/:id', (world, _, id) => sessionOf(world, id)],
  ['POST /v1/checkout/sessions/:id/expire', (world, _, id) => expire(world, sessionOf(world, id))],
];

/** How long a session may be open, from its making (https://docs.stripe.com/api/checkout/sessions/create, `expires_at`). Seconds. */
const LIFE = { least: 30 * 60, most: DAY };

/** As it is by now: one whose time is over has expired. */
function sessionOf(world: World, id: string): CheckoutSession {
  const session = found(world.sessions, 'checkout.session', id);
  return session.status === 'open' && session.expires_at <= world.now ? expire(world, session) : session;
}

function asked(world: World, params: Params): CheckoutSession[] {
  const customer = text(params['customer']);
  const status = text(params['status']);
  return [...world.sessions.values()].filter(
    (session) =>
      (customer === undefined || session.customer === customer) && (status === undefined || session.status === status),
  );
}

function createSession(world: World, params: Params): CheckoutSession {
  if (text(params['mode']) !== 'subscription') throw invalid('This server sells subscriptions alone.', 'mode');
  const customer = livingCustomer(world, params);
  const [line] = all(params['line_items']);
  const price = found(world.prices, 'price', text(line?.['price']));
  if (!price.active) throw invalid('The price specified is inactive.', 'line_items[0][price]');
  const successUrl = text(params['success_url']);
  if (successUrl === undefined) throw invalid('Missing required param: success_url.', 'success_url');
  const expiresAt = whole(params['expires_at']) ?? world.now + LIFE.most;
  if (expiresAt < world.now + LIFE.least || expiresAt > world.now + LIFE.most)
    throw invalid('The `expires_at` timestamp must be between 30 minutes and 24 hours from now.', 'expires_at');
  const subscriptionData = within(params['subscription_data']);
  const id = world.id('cs_test');
  const session: CheckoutSession = {
    id,
    object: 'checkout.session',
    cancel_url: text(params['cancel_url']) ?? null,
    client_reference_id: text(params['client_reference_id']) ?? null,
    created: world.now,
    customer: customer.id,
    expires_at: expiresAt,
    invoice: null,
    livemode: false,
    metadata: texts(params['metadata']),
    mode: 'subscription',
    payment_status: 'unpaid',
    status: 'open',
    subscription: null,
    success_url: successUrl,
    url: `https://checkout.stripe.com/c/pay/${id}`,
  };
  world.sessions.set(id, session);
  world.orders.set(id, {
    price: price.id,
    metadata: texts(subscriptionData['metadata']),
    trialDays: whole(subscriptionData['trial_period_days']) ?? 0,
  });
  return session;
}

function expire(world: World, session: CheckoutSession): CheckoutSession {
  if (session.status !== 'open')
    throw invalid(`This Checkout Session cannot be expired because it is ${session.status}.`);
  session.status = 'expired';
  session.url = null;
  world.emit('checkout.session.expired', session);
  return session;
}

/** The customer pays on the page of an open session; with a refused card nothing is sold, and the session stays open. */
export function complete(world: World, id: string): Subscription | null {
  const session = sessionOf(world, id);
  if (session.status !== 'open' || world.declined.has(session.customer)) return null;
  if (the(world.customers, session.customer).deleted) return null;
  const order = the(world.orders, id);
  const { customer } = session;
  const subscription = subscribe(world, { customer, ...order, price: the(world.prices, order.price) });
  session.status = 'complete';
  session.payment_status = 'paid';
  session.subscription = subscription.id;
  session.invoice = subscription.latest_invoice;
  session.url = null;
  world.emit('checkout.session.completed', session);
  return subscription;
}

/** Live subscriptions of a customer: more than one means that something was sold twice. */
export function liveSubscriptionsOf(world: World, customer: string): Subscription[] {
  return [...world.subscriptions.values()].filter((one) => one.customer === customer && !isOver(one));
}
