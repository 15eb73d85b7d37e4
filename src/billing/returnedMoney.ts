import type Stripe from 'stripe';
import { recordActOnce } from '../repositories/audit.ts';
import { storedSubscriptionId } from '../repositories/syncedSubscriptions.ts';
import { actIdOf } from './actId.ts';
import { endAccess, type Paid } from './endAccess.ts';
import type { ReturnedMoney } from './events.ts';
import { idOf } from './snapshot.ts';
import { calling } from './stripe.ts';
import type { BillingDeps } from './sync.ts';

/**
 * Does what follows from money that went back: all of it, for the running period, ends the access that it paid for; a part of it is goodwill, and
 * stands in the audit trail alone.
 *
 * @returns the customer, or null when the payment was for no subscription
 */
export async function followReturn(deps: BillingDeps, returned: ReturnedMoney): Promise<string | null> {
  const paid = await paidBy(deps.stripe, returned.paymentIntent);
  if (!paid) return null;
  if (returned.reason === 'part') await tellOfPart(deps, paid, returned);
  else await endAccess(deps, paid, returned);
  return idOf(paid.subscription.customer);
}

/** https://docs.stripe.com/api/invoice-payment/list: a payment leads to its invoice, and the invoice to its subscription. */
async function paidBy(stripe: Stripe, payment_intent: string): Promise<Paid | null> {
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

/** One line for each part: the sum that has gone back by then tells them apart. */
async function tellOfPart(
  { store }: BillingDeps,
  { subscription }: Paid,
  { paymentIntent, refunded }: ReturnedMoney,
): Promise<void> {
  const act = {
    action: 'subscription.refunded_in_part',
    actor: { kind: 'webhook', id: 'stripe' },
    detail: { ...refunded },
  } as const;
  const stored = await storedSubscriptionId(store, subscription.id);
  const id = await actIdOf('part', paymentIntent, String(refunded?.amount));
  await recordActOnce(store, id, act, stored ? { model: 'Subscription', id: stored } : undefined);
}
