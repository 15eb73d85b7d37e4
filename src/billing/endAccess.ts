import { Types } from 'mongoose';
import type Stripe from 'stripe';
import { fingerprintOf } from '../domain/idempotency.ts';
import { recordActOnce } from '../repositories/audit.ts';
import type { ClaimedEvent } from '../repositories/inbox.ts';
import { storedSubscriptionId } from '../repositories/syncedSubscriptions.ts';
import { idOf } from './snapshot.ts';
import { calling } from './stripe.ts';
import type { BillingDeps } from './sync.ts';

export interface ReturnedMoney {
  reason: 'refund' | 'dispute';
  paymentIntent: string;
}

/**
 * Money for the running period that went back ends the access that it paid for: the subscription is cancelled at Stripe, so that nothing more
 * is billed, and what is stored follows from that. The audit trail tells why.
 *
 * @returns the customer, or null when the payment was for no subscription
 */
export async function endAccess(
  deps: BillingDeps,
  event: Pick<ClaimedEvent, '_id'>,
  { reason, paymentIntent }: ReturnedMoney,
): Promise<string | null> {
  const { stripe, store } = deps;
  const paid = await paidSubscription(stripe, paymentIntent);
  if (!paid) return null;
  const { subscription, invoice } = paid;
  const customer = idOf(subscription.customer);
  if (subscription.ended_at !== null || !isForRunningPeriod(invoice, subscription)) return customer;
  const act = {
    action: 'subscription.access_ended',
    actor: { kind: 'webhook', id: 'stripe' },
    detail: { reason },
  } as const;
  const stored = await storedSubscriptionId(store, subscription.id);
  await recordActOnce(store, await actId(event._id), act, stored ? { model: 'Subscription', id: stored } : undefined);
  await calling(() =>
    stripe.subscriptions.cancel(
      subscription.id,
      {
        cancellation_details: {
          comment: reason === 'refund' ? 'The payment was refunded.' : 'The payment was disputed.',
        },
      },
      { idempotencyKey: `access-ended:${reason}:${paymentIntent}` },
    ),
  );
  return customer;
}

/** https://docs.stripe.com/api/invoice-payment/list: a payment leads to its invoice, and the invoice to its subscription. */
async function paidSubscription(
  stripe: Stripe,
  payment_intent: string,
): Promise<{ subscription: Stripe.Subscription; invoice: Stripe.Invoice } | null> {
  return calling(async () => {
    const payments = await stripe.invoicePayments.list({
      payment: { type: 'payment_intent', payment_intent },
      limit: 1,
    });
    const [payment] = payments.data;
    if (!payment) return null;
    const invoice = await stripe.invoices.retrieve(idOf(payment.invoice));
    const subscription = invoice.parent?.subscription_details?.subscription;
    if (!subscription) return null;
    return { invoice, subscription: await stripe.subscriptions.retrieve(idOf(subscription)) };
  });
}

/** A refund of some earlier month is goodwill, and ends nothing. */
function isForRunningPeriod(invoice: Stripe.Invoice, subscription: Stripe.Subscription): boolean {
  const start = subscription.items.data[0]?.current_period_start ?? subscription.start_date;
  return subscription.latest_invoice === invoice.id || invoice.created >= start;
}

/** The line of an event: the same however often it is applied. */
async function actId(event: string): Promise<Types.ObjectId> {
  const text = await fingerprintOf(event);
  return new Types.ObjectId(Uint8Array.from(text.slice(0, 12), (letter) => letter.charCodeAt(0)));
}
