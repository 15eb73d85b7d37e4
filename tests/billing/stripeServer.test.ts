import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPrice } from '../support/stripe/catalogue.ts';
import { complete } from '../support/stripe/checkout.ts';
import { failing } from '../support/stripe/faults.ts';
import { latestChargeOf } from '../support/stripe/invoices.ts';
import { advanceTo, subscribe } from '../support/stripe/lifecycle.ts';
import { refund } from '../support/stripe/payments.ts';
import type { Price } from '../support/stripe/shapes.ts';
import { the } from '../support/stripe/world.ts';
import { type StripeServer, startStripeServer } from '../support/stripe-server.ts';

const DAY = 86_400;
const instant = (text: string) => Date.parse(text) / 1000;

let server: StripeServer;
let stripe: Stripe;
let plus: Price;
let pro: Price;

beforeEach(async () => {
  server = await startStripeServer({ now: instant('2026-01-31T10:00:00Z') });
  const { hostname, port } = new URL(server.url);
  stripe = new Stripe('sk_test_x', {
    host: hostname,
    port,
    protocol: 'http',
    httpClient: Stripe.createFetchHttpClient(),
    maxNetworkRetries: 2,
  });
  const product = await stripe.products.create({ name: 'Artifex' });
  plus = createPrice(server.world, { product: product.id, unit_amount: '1900', lookup_key: 'artifex_plus' });
  pro = createPrice(server.world, { product: product.id, unit_amount: '4900', lookup_key: 'artifex_pro' });
});
afterEach(() => server.close());

const newCustomer = () => stripe.customers.create({ email: 'somebody@example.com', metadata: { userId: 'u1' } });

async function newSubscription(price = plus) {
  const customer = await newCustomer();
  return subscribe(server.world, { customer: customer.id, price });
}

const listed = async (customer: string) => (await stripe.subscriptions.list({ customer, status: 'all' })).data;

describe('the local Stripe', () => {
  it('sells by Checkout, with the period on the item and the invoice telling its subscription', async () => {
    const customer = await newCustomer();
    const session = await stripe.checkout.sessions.create({
      mode: 'subscription',
      customer: customer.id,
      client_reference_id: 'u1',
      line_items: [{ price: plus.id, quantity: 1 }],
      success_url: 'https://app.example.com/billing?checkout=success',
      subscription_data: { metadata: { userId: 'u1' } },
    });
    expect(session.url).toMatch(/^https:\/\/checkout\.stripe\.com\//);
    complete(server.world, session.id);
    const [subscription] = await listed(customer.id);
    expect(subscription).toMatchObject({ status: 'active', metadata: { userId: 'u1' } });
    expect(subscription?.items.data[0]).toMatchObject({
      current_period_start: instant('2026-01-31T10:00:00Z'),
      current_period_end: instant('2026-02-28T10:00:00Z'),
      price: { id: plus.id },
    });
    const invoice = await stripe.invoices.retrieve(String(subscription?.latest_invoice));
    expect(invoice.parent?.subscription_details?.subscription).toBe(subscription?.id);
    expect(invoice.status).toBe('paid');
  });

  it('remembers the anchor day through short months', async () => {
    const subscription = await newSubscription();
    advanceTo(server.world, instant('2026-03-01T00:00:00Z'));
    expect(subscription.items.data[0]?.current_period_end).toBe(instant('2026-03-31T10:00:00Z'));
  });

  it('leaves who cannot pay past due, tries again, and ends the subscription in the end', async () => {
    const subscription = await newSubscription();
    server.world.declined.add(subscription.customer);
    advanceTo(server.world, instant('2026-03-01T00:00:00Z'));
    expect(subscription.status).toBe('past_due');
    advanceTo(server.world, instant('2026-02-28T10:00:00Z') + 8 * DAY);
    expect(subscription.status).toBe('canceled');
  });

  it('holds an upgrade back until it is paid', async () => {
    const subscription = await newSubscription();
    server.world.declined.add(subscription.customer);
    const item = String(subscription.items.data[0]?.id);
    const upgrade = await stripe.subscriptions.update(subscription.id, {
      items: [{ id: item, price: pro.id }],
      proration_behavior: 'always_invoice',
      payment_behavior: 'pending_if_incomplete',
    });
    expect(upgrade.pending_update).not.toBeNull();
    expect(upgrade.items.data[0]?.price.id).toBe(plus.id);
  });

  it('lowers the price when the next phase of a schedule begins, and lets go', async () => {
    const subscription = await newSubscription(pro);
    const schedule = await stripe.subscriptionSchedules.create({ from_subscription: subscription.id });
    const [current] = schedule.phases;
    await stripe.subscriptionSchedules.update(schedule.id, {
      end_behavior: 'release',
      phases: [
        {
          items: [{ price: pro.id, quantity: 1 }],
          start_date: Number(current?.start_date),
          end_date: Number(current?.end_date),
        },
        { items: [{ price: plus.id, quantity: 1 }], duration: { interval: 'month', interval_count: 1 } },
      ],
    });
    const [before] = (await stripe.subscriptions.list({ customer: subscription.customer, expand: ['data.schedule'] }))
      .data;
    expect(before?.schedule).toMatchObject({ id: schedule.id, phases: [{}, { items: [{ price: plus.id }] }] });
    await expect(stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true })).rejects.toThrow(
      /managed by the subscription schedule/,
    );
    advanceTo(server.world, instant('2026-03-01T00:00:00Z'));
    const [after] = await listed(subscription.customer);
    expect(after).toMatchObject({ schedule: null, items: { data: [{ price: { id: plus.id } }] } });
  });

  it('answers a repeated idempotency key with the first answer, and refuses it for another request', async () => {
    const create = (name: string) => stripe.customers.create({ name }, { idempotencyKey: 'k1' });
    const first = await create('One');
    expect((await create('One')).id).toBe(first.id);
    await expect(create('Two')).rejects.toMatchObject({ type: 'StripeIdempotencyError' });
    expect(server.world.customers.size).toBe(1);
  });

  it('does once what the SDK repeats, when an answer is lost after the work was done', async () => {
    server.faults = failing('POST /v1/customers', 'cut_after');
    const customer = await newCustomer();
    expect([...server.world.customers.keys()]).toEqual([customer.id]);
    expect(server.calls.filter(({ pattern }) => pattern === 'POST /v1/customers')).toHaveLength(2);
  });

  it('signs its events so that the SDK believes them, and brings them again until they are taken', async () => {
    const statuses = [500, 200];
    const types: string[] = [];
    server.sender.sendTo('http://receiver.invalid/', 'whsec_test', async (_, init) => {
      const { body, headers } = new Request('http://receiver.invalid/', init);
      const payload = await new Response(body).text();
      const event = await stripe.webhooks.constructEventAsync(
        payload,
        headers.get('stripe-signature') ?? '',
        'whsec_test',
      );
      types.push(event.type);
      return new Response(null, { status: statuses.shift() ?? 200 });
    });
    await newCustomer();
    await server.sender.deliverAll();
    expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(1);
    await server.sender.deliverAll();
    expect(types).toEqual(['customer.created', 'customer.created']);
    expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(0);
  });

  it('leads from a refunded charge to its subscription', async () => {
    const subscription = await newSubscription();
    const charge = latestChargeOf(server.world, subscription.id);
    refund(server.world, charge);
    const payments = await stripe.invoicePayments.list({
      payment: { type: 'payment_intent', payment_intent: charge.payment_intent },
    });
    const invoice = await stripe.invoices.retrieve(String(payments.data[0]?.invoice));
    expect(invoice.parent?.subscription_details?.subscription).toBe(subscription.id);
    expect(the(server.world.charges, charge.id).refunded).toBe(true);
  });

  it('opens no portal that nobody has configured, and one that is named', async () => {
    const { id: customer } = await newCustomer();
    await expect(stripe.billingPortal.sessions.create({ customer })).rejects.toThrow(/No configuration provided/);
    const features = { invoice_history: { enabled: true } };
    const { id: configuration, is_default } = await stripe.billingPortal.configurations.create({ features });
    expect(is_default).toBe(false);
    expect(await stripe.billingPortal.sessions.create({ customer, configuration })).toMatchObject({ configuration });
  });

  it('takes the names of events for an endpoint, but no pattern, and tells its secret once', async () => {
    const url = 'https://api.example.com/webhooks/stripe';
    const { secret } = await stripe.webhookEndpoints.create({ url, enabled_events: ['invoice.paid'] });
    expect(secret).toMatch(/^whsec_/);
    expect((await stripe.webhookEndpoints.list()).data).toMatchObject([{ url, enabled_events: ['invoice.paid'] }]);
    expect((await stripe.webhookEndpoints.list()).data[0]?.secret).toBeUndefined();
    const body = new URLSearchParams({ url, 'enabled_events[0]': 'customer.*' });
    const headers = { authorization: 'Bearer sk_test_x' };
    const refused = await fetch(`${server.url}/v1/webhook_endpoints`, { method: 'POST', body, headers });
    expect(refused.status).toBe(400);
  });

  it('ends what a deleted customer had', async () => {
    const subscription = await newSubscription();
    await stripe.customers.del(subscription.customer);
    expect(subscription.status).toBe('canceled');
    expect(await stripe.customers.retrieve(subscription.customer)).toMatchObject({ deleted: true });
  });
});
