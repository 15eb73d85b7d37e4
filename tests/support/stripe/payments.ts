import { type Params, text, within } from './form.ts';
import { page } from './lists.ts';
import { found } from './refusals.ts';
import type { Route } from './routes.ts';
import type { Charge, Dispute, InvoicePayment } from './shapes.ts';
import type { World } from './world.ts';

/** Invoices, and the way from a charge to the invoice that it paid (https://docs.stripe.com/api/invoice-payment/list). */
export const paymentRoutes: Route[] = [
  ['GET /v1/invoices', (world, params) => page(invoicesOf(world, params), params, '/v1/invoices')],
  ['GET /v1/invoices/:id', (world, _, id) => found(world.invoices, 'invoice', id)],
  ['GET /v1/invoice_payments', (world, params) => page(paymentsOf(world, params), params, '/v1/invoice_payments')],
  ['GET /v1/charges/:id', (world, _, id) => found(world.charges, 'charge', id)],
  ['GET /v1/disputes/:id', (world, _, id) => found(world.disputes, 'dispute', id)],
];

function invoicesOf(world: World, params: Params) {
  const customer = text(params['customer']);
  const subscription = text(params['subscription']);
  return [...world.invoices.values()].filter(
    (invoice) =>
      (customer === undefined || invoice.customer === customer) &&
      (subscription === undefined || invoice.parent.subscription_details.subscription === subscription),
  );
}

function paymentsOf(world: World, params: Params): InvoicePayment[] {
  const intent = text(within(params['payment'])['payment_intent']);
  const invoice = text(params['invoice']);
  return [...world.invoicePayments.values()].filter(
    (one) =>
      (intent === undefined || one.payment.payment_intent === intent) &&
      (invoice === undefined || one.invoice === invoice),
  );
}

/** Gives money back; the charge counts as refunded once all of it is. */
export function refund(world: World, charge: Charge, amount = charge.amount): void {
  charge.amount_refunded = Math.min(charge.amount, charge.amount_refunded + amount);
  charge.refunded = charge.amount_refunded === charge.amount;
  world.emit('charge.refunded', charge);
}

/** The cardholder's bank takes the money back. */
export function dispute(world: World, charge: Charge): Dispute {
  charge.disputed = true;
  const made: Dispute = {
    id: world.id('du'),
    object: 'dispute',
    amount: charge.amount,
    charge: charge.id,
    created: world.now,
    currency: charge.currency,
    livemode: false,
    metadata: {},
    payment_intent: charge.payment_intent,
    reason: 'fraudulent',
    status: 'needs_response',
  };
  world.disputes.set(made.id, made);
  world.emit('charge.dispute.created', made);
  return made;
}
