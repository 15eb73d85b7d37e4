import type Stripe from 'stripe';
import { errorFields, type Log } from '../config/log.ts';
import type { Actor } from '../domain/audit.ts';
import { ArtifexError } from '../domain/errors.ts';
import { hasEnded } from '../domain/subscription.ts';
import { recordActOnce } from '../repositories/audit.ts';
import { clearEnding, dueEnding, isDeletedUser, type OwedEnding, postponeEnding } from '../repositories/endings.ts';
import { storedSubscriptionId } from '../repositories/syncedSubscriptions.ts';
import { actIdOf } from './actId.ts';
import { underKey } from './idempotency.ts';
import { idOf, snapshotOf } from './snapshot.ts';
import { calling, isMissing } from './stripe.ts';
import { type BillingDeps, syncCustomer } from './sync.ts';

const ACTOR: Actor = { kind: 'job', id: 'billing-endings' };

/** Milliseconds until another try: while Stripe is out of reach, and where it refuses. */
const SOON_MS = 60_000;
const LATER_MS = 60 * 60_000;

/** Nothing was paid for: there is nothing to leave until the period's end, and the open invoice is not to be collected either. */
const UNPAID = new Set<string>(['incomplete', 'past_due', 'unpaid', 'paused']);

/**
 * Ends at Stripe what deleted accounts pay for: with its period, so that who comes back before has what was paid for, or at once where nothing
 * was. It may be cut off anywhere and be run again. What ended stands in the audit trail once, after it did: each end carries a word of ours at
 * Stripe, by which the next run knows what this one has done.
 *
 * @returns of how many accounts the subscriptions end now
 */
export async function endWithAccounts(
  deps: BillingDeps,
  log: Log,
  signal?: AbortSignal,
): Promise<{ accountsEnded: number }> {
  let accountsEnded = 0;
  while (!signal?.aborted) {
    const owed = await dueEnding(deps.store);
    if (!owed) break;
    try {
      if (await isDeletedUser(deps.store, owed.userId)) {
        await endAll(deps, owed);
        accountsEnded += 1;
      }
      await clearEnding(deps.store, owed);
    } catch (error) {
      const isOutOfReach = error instanceof ArtifexError && error.code === 'unavailable';
      log.warn('the subscription of a deleted account is still to be ended', errorFields(error));
      await postponeEnding(deps.store, owed, isOutOfReach ? SOON_MS : LATER_MS);
      if (isOutOfReach) break;
    }
  }
  return { accountsEnded };
}

/** Whatever the customer has, also what is not stored. */
async function endAll(deps: BillingDeps, { stripeCustomerId: customer, ending: { id } }: OwedEnding): Promise<void> {
  if (customer === undefined) return;
  for (const subscription of await subscriptionsOf(deps, customer)) {
    const { facts } = await snapshotOf(subscription, deps.config.prices);
    const isOpen = !hasEnded(facts) && !facts.cancelAtPeriodEnd;
    const ended = isOpen ? await calling(() => end(deps, subscription, id)) : subscription;
    await tell(deps, ended);
  }
  await syncCustomer(deps, customer, { actor: ACTOR });
}

async function subscriptionsOf({ stripe }: BillingDeps, customer: string): Promise<Stripe.Subscription[]> {
  return calling(async () => {
    try {
      return await stripe.subscriptions
        .list({ customer, status: 'all', limit: 100 })
        .autoPagingToArray({ limit: 1_000 });
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  });
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
