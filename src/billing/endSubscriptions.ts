import type Stripe from 'stripe';
import type { Actor } from '../domain/audit.ts';
import { hasEnded } from '../domain/subscription.ts';
import { recordActOnce } from '../repositories/audit.ts';
import { storedSubscriptionId } from '../repositories/syncedSubscriptions.ts';
import { actIdOf } from './actId.ts';
import { underKey } from './idempotency.ts';
import { idOf, snapshotOf } from './snapshot.ts';
import { calling, unlessCustomerGone } from './stripe.ts';
import { type BillingDeps, syncCustomer } from './sync.ts';

const ACTOR: Actor = { kind: 'job', id: 'billing-endings' };

/** Nothing was paid for: there is nothing to leave until the period's end, and the open invoice is not to be collected either. */
const UNPAID = new Set<string>(['incomplete', 'past_due', 'unpaid', 'paused']);

/**
 * Ends whatever the customer has, also what is not stored, for the account's deletion of that id.
 *
 * @returns how many subscriptions end by this call
 */
export async function endSubscriptions(deps: BillingDeps, customer: string, ending: string): Promise<number> {
  let ends = 0;
  for (const subscription of await subscriptionsOf(deps, customer)) {
    const { facts } = await snapshotOf(subscription, deps.config.prices);
    const isOpen = !hasEnded(facts) && !facts.cancelAtPeriodEnd;
    if (isOpen) ends += 1;
    const ended = isOpen ? await calling(() => end(deps, subscription, ending)) : subscription;
    await tell(deps, ended);
  }
  await syncCustomer(deps, customer, { actor: ACTOR });
  return ends;
}

async function subscriptionsOf({ stripe }: BillingDeps, customer: string): Promise<Stripe.Subscription[]> {
  const list = { customer, status: 'all', limit: 100 } as const;
  const found = await unlessCustomerGone(() =>
    calling(() => stripe.subscriptions.list(list).autoPagingToArray({ limit: 1_000 })),
  );
  return found ?? [];
}

async function end(
  { stripe }: BillingDeps,
  { id, status, schedule }: Stripe.Subscription,
  ending: string,
): Promise<Stripe.Subscription> {
  const cancellation_details = { comment: `${OUR_WORD} ${ending}` };
  // Done twice, either is done once: the SDK's own keys serve. One of ours would bring a failure of Stripe's again for a day.
  if (UNPAID.has(status)) return stripe.subscriptions.cancel(id, { cancellation_details });
  // A schedule stands in the way.
  if (schedule)
    await underKey(`release:${idOf(schedule)}`, (options) =>
      stripe.subscriptionSchedules.release(idOf(schedule), {}, options),
    );
  return stripe.subscriptions.update(id, { cancel_at_period_end: true, cancellation_details });
}

/** Stands before the id of an ending in the comment of what it has ended. */
const OUR_WORD = 'The account was deleted:';

/** One line for each end that is ours, by the word that it carries at Stripe. */
async function tell(
  { store }: BillingDeps,
  { id, cancellation_details, ended_at }: Stripe.Subscription,
): Promise<void> {
  const comment = cancellation_details?.comment;
  if (!comment?.startsWith(OUR_WORD)) return;
  const act = {
    action: 'subscription.ended_with_account',
    actor: ACTOR,
    detail: { atPeriodEnd: ended_at === null },
  } as const;
  const stored = await storedSubscriptionId(store, id);
  await recordActOnce(
    store,
    await actIdOf(id, comment),
    act,
    stored ? { model: 'Subscription', id: stored } : undefined,
  );
}
