import { DAY } from './calendar.ts';
import type { Charge, Invoice, Subscription } from './shapes.ts';
import { the, type World } from './world.ts';

/** When a refused card is tried again, counted in days from the first attempt; after the last one the subscription ends. */
export const RETRY_DAYS = [3, 5, 7] as const;

/** Bills the subscription, and takes the money if the customer's card lets it. */
export function bill(
  world: World,
  subscription: Subscription,
  reason: 'subscription_create' | 'subscription_cycle' | 'subscription_update',
  amount: number,
): { invoice: Invoice; isPaid: boolean } {
  const [item] = subscription.items.data;
  const invoice: Invoice = {
    id: world.id('in'),
    object: 'invoice',
    amount_due: amount,
    amount_paid: 0,
    amount_remaining: amount,
    attempt_count: 0,
    billing_reason: reason,
    created: world.now,
    currency: subscription.currency,
    customer: subscription.customer,
    livemode: false,
    next_payment_attempt: null,
    parent: {
      type: 'subscription_details',
      quote_details: null,
      subscription_details: { subscription: subscription.id, metadata: { ...subscription.metadata } },
    },
    period_end: item?.current_period_end ?? world.now,
    period_start: item?.current_period_start ?? world.now,
    status: 'open',
  };
  world.invoices.set(invoice.id, invoice);
  subscription.latest_invoice = invoice.id;
  world.emit('invoice.created', invoice);
  return { invoice, isPaid: attemptPayment(world, invoice) };
}

/** One attempt at the money of an open invoice. */
export function attemptPayment(world: World, invoice: Invoice): boolean {
  const isDeclined = world.declined.has(invoice.customer) && invoice.amount_due > 0;
  invoice.attempt_count += 1;
  if (isDeclined) {
    const delay = RETRY_DAYS[invoice.attempt_count - 1];
    invoice.next_payment_attempt = delay === undefined ? null : invoice.created + delay * DAY;
    world.emit('invoice.payment_failed', invoice);
    return false;
  }
  invoice.status = 'paid';
  invoice.amount_paid = invoice.amount_due;
  invoice.amount_remaining = 0;
  invoice.next_payment_attempt = null;
  if (invoice.amount_due > 0) recordPayment(world, invoice);
  world.emit('invoice.paid', invoice);
  world.emit('invoice.payment_succeeded', invoice);
  return true;
}

function recordPayment(world: World, invoice: Invoice): void {
  const payment_intent = world.id('pi');
  const charge: Charge = {
    id: world.id('ch'),
    object: 'charge',
    amount: invoice.amount_due,
    amount_captured: invoice.amount_due,
    amount_refunded: 0,
    created: world.now,
    currency: invoice.currency,
    customer: invoice.customer,
    disputed: false,
    livemode: false,
    metadata: {},
    paid: true,
    payment_intent,
    refunded: false,
    status: 'succeeded',
  };
  world.charges.set(charge.id, charge);
  const id = world.id('inpay');
  world.invoicePayments.set(id, {
    id,
    object: 'invoice_payment',
    amount_paid: invoice.amount_due,
    amount_requested: invoice.amount_due,
    created: world.now,
    currency: invoice.currency,
    invoice: invoice.id,
    is_default: true,
    livemode: false,
    payment: { type: 'payment_intent', payment_intent },
    status: 'paid',
  });
  world.emit('charge.succeeded', charge);
}

/** The charge that paid the subscription's latest paid invoice. */
export function latestChargeOf(world: World, subscriptionId: string): Charge {
  const invoices = [...world.invoices.values()].filter(
    ({ parent, status, amount_paid }) =>
      parent.subscription_details.subscription === subscriptionId && status === 'paid' && amount_paid > 0,
  );
  const invoice = the(world.invoices, invoices.at(-1)?.id ?? `paid invoice of ${subscriptionId}`);
  const payment = [...world.invoicePayments.values()].find((one) => one.invoice === invoice.id);
  const charge = [...world.charges.values()].find((one) => one.payment_intent === payment?.payment.payment_intent);
  return the(world.charges, charge?.id ?? `charge of ${invoice.id}`);
}
