import { hasEnded, isActive } from '@/domain/subscription.ts';
import { auditOf, ledgerOf, subscriptionsOf, webhookEventsOf } from '@/models/collections.ts';
import type { Subscription as Stored } from '@/models/Subscription.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { faultsIn, readBooks } from '../../support/books.ts';
import { readUser, type TestStore } from '../../support/database.ts';
import { isOver } from '../../support/stripe/lifecycle.ts';
import type { Subscription } from '../../support/stripe/shapes.ts';
import type { Story } from './happenings.ts';

const KNOWN = ['incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid', 'paused'];

/** What stands in the database when everything has come to rest, and should not. Nothing here asks the code that it judges. */
export async function faultsAtRest(store: TestStore, story: Story): Promise<string[]> {
  const faults: string[] = [];
  const demand = (holds: boolean, words: string) => holds || faults.push(words);
  const now = store.clock.now();
  const [stored, user, books, verified, open] = await Promise.all([
    store.models.Subscription.find({ userId: story.userId }).lean<Stored[]>().exec(),
    readUser(store, story.userId),
    readBooks(store),
    verifyLedger(store),
    webhookEventsOf(store)
      .find({ state: { $ne: 'ended' } })
      .toArray(),
  ]);
  for (const { type, failure } of open) demand(false, `${type} was not applied: ${failure}`);
  for (const { problems } of verified.violations) faults.push(...problems);
  faults.push(...books.flatMap((each) => faultsIn(each, now)));

  const live = [...story.world.subscriptions.values()].filter((one) => !isOver(one));
  for (const subscription of story.world.subscriptions.values()) {
    const mine = stored.find(({ stripeSubscriptionId }) => stripeSubscriptionId === subscription.id);
    const isGone = story.world.customers.get(subscription.customer)?.deleted === true;
    if (live.length > 1 && live.includes(subscription) && (!mine || hasEnded(mine))) continue;
    if (isGone) demand(!mine || hasEnded(mine), `${subscription.id} of a deleted customer is ${mine?.status}`);
    else faults.push(...differences(story, subscription, mine));
  }

  const governing = stored.filter((one) => !hasEnded(one));
  demand(governing.length === Math.min(live.length, 1), `${governing.length} are live here, ${live.length} at Stripe`);
  const [one] = governing;
  const tier = one && isActive(one, now) ? one.tier : 'free';
  demand(user.subscriptionTier === tier, `the tier is ${user.subscriptionTier} instead of ${tier}`);
  if (one && isActive(one, now)) {
    const { currentPeriodStart: start, currentPeriodEnd: end } = one;
    demand(user.periodStart >= start, `the paid period of ${start.toISOString()} was not begun`);
    demand(user.quotaResetDate.getTime() === end.getTime(), `${user.quotaResetDate.toISOString()} instead of its end`);
  }
  if (user.isDeleted)
    for (const { id, cancel_at } of live) demand(cancel_at !== null, `${id} of a deleted account goes on`);
  const ends = [...story.world.subscriptions.values()].map(({ cancellation_details }) => cancellation_details?.comment);
  const ours = ends.filter((comment) => comment?.startsWith('The account was deleted')).length;
  const told = await auditOf(store).countDocuments({ action: 'subscription.ended_with_account' });
  demand(told >= ours, `${ours} ended with the account, and ${told} are in the audit trail`);
  const best = Math.max(...live.map((each) => worthOf(each, story)));
  const chosen = live.find(({ id }) => id === one?.stripeSubscriptionId);
  demand(!chosen || worthOf(chosen, story) === best, `another one than ${chosen?.id} is worth most`);
  return faults;
}

/** What grants more is worth more; 0 grants nothing. */
function worthOf(subscription: Subscription, story: Story): number {
  const grants = subscription.status === 'active' || subscription.status === 'trialing';
  return grants ? { free: 1, plus: 2, pro: 3 }[tierOf(subscription, story)] : 0;
}

function tierOf({ items, status }: Subscription, { prices }: Story): 'free' | 'plus' | 'pro' {
  const [item, ...others] = items.data;
  if (!item || others.length > 0 || item.quantity !== 1 || !KNOWN.includes(status)) return 'free';
  if (item.price.id === prices.plus.id) return 'plus';
  return item.price.id === prices.pro.id ? 'pro' : 'free';
}

function differences(story: Story, at: Subscription, stored: Stored | undefined): string[] {
  const [item] = at.items.data;
  if (!item) return [`${at.id} has no items`];
  const seconds = (instant: Date | undefined) => (instant ? instant.getTime() / 1000 : null);
  const expected = {
    customer: at.customer,
    tier: tierOf(at, story),
    status: KNOWN.includes(at.status) ? at.status : 'unpaid',
    start: item.current_period_start,
    end: item.current_period_end,
    trialStart: at.trial_start,
    trialEnd: at.trial_end,
    cancels: at.cancel_at_period_end,
    pendingTier: null,
  };
  const found = stored && {
    customer: stored.stripeCustomerId,
    tier: stored.tier,
    status: stored.status,
    start: seconds(stored.currentPeriodStart),
    end: seconds(stored.currentPeriodEnd),
    trialStart: seconds(stored.trialStart),
    trialEnd: seconds(stored.trialEnd),
    cancels: stored.cancelAtPeriodEnd,
    pendingTier: stored.pendingTier ?? null,
  };
  const [is, should] = [JSON.stringify(found), JSON.stringify(expected)];
  return is === should ? [] : [`${at.id} is ${is} instead of ${should}`];
}

/** How often the user's quota was reset, and the revisions of what is stored: what a repetition must not change. */
export async function traces(store: TestStore, { userId }: Story): Promise<unknown> {
  const [resets, revisions] = await Promise.all([
    ledgerOf(store).countDocuments({ userId, kind: 'reset' }),
    subscriptionsOf(store)
      .find({ userId }, { projection: { revision: 1 } })
      .sort({ _id: 1 })
      .toArray(),
  ]);
  return { resets, revisions: revisions.map(({ revision }) => revision) };
}
