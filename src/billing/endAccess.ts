import type Stripe from 'stripe';
import { recordActOnce } from '../repositories/audit.ts';
import { storedSubscriptionId } from '../repositories/syncedSubscriptions.ts';
import { actIdOf } from './actId.ts';
import type { ReturnedMoney } from './events.ts';
import { calling } from './stripe.ts';
import type { BillingDeps } from './sync.ts';

/** What was paid for by money that went back. */
export interface Paid {
  subscription: Stripe.Subscription;
  invoice: Stripe.Invoice;
}

/**
 * Money for the running period that went back ends the access that it paid for: the subscription is cancelled at Stripe, so that nothing more
 * is billed, and what is stored follows from that. The audit trail tells why, once and after it was done: the cancelled subscription carries a
 * word of ours at Stripe, by which whoever comes after a crash knows that it was done for this payment.
 */
export async function endAccess(
  deps: BillingDeps,
  { subscription, invoice }: Paid,
  { reason, paymentIntent }: ReturnedMoney,
): Promise<void> {
  const comment = `The payment ${paymentIntent} was ${reason === 'dispute' ? 'disputed' : 'refunded'}.`;
  const isEnding = subscription.ended_at === null && isForRunningPeriod(invoice, subscription);
  const { id, cancellation_details } = isEnding
    ? await calling(() =>
        deps.stripe.subscriptions.cancel(
          subscription.id,
          { cancellation_details: { comment } },
          { idempotencyKey: `access-ended:${reason}:${paymentIntent}` },
        ),
      )
    : subscription;
  if (cancellation_details?.comment !== comment) return;
  const act = {
    action: 'subscription.access_ended',
    actor: { kind: 'webhook', id: 'stripe' },
    detail: { reason },
  } as const;
  const stored = await storedSubscriptionId(deps.store, id);
  const subject = stored ? ({ model: 'Subscription', id: stored } as const) : undefined;
  await recordActOnce(deps.store, await actIdOf('access-ended', reason, paymentIntent), act, subject);
}

/** A refund of some earlier month is goodwill, and ends nothing. */
function isForRunningPeriod(invoice: Stripe.Invoice, subscription: Stripe.Subscription): boolean {
  const start = subscription.items.data[0]?.current_period_start ?? subscription.start_date;
  return subscription.latest_invoice === invoice.id || invoice.created >= start;
}
