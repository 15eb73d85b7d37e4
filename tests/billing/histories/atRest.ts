import { hasEnded, isActive } from '@/domain/subscription.ts';
import { auditOf, subscriptionsOf, usersOf, webhookEventsOf } from '@/models/collections.ts';
import type { Subscription as Stored } from '@/models/Subscription.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { type Books, faultsIn, readBooks } from '../../support/books.ts';
import type { Subscription } from '../../support/stripe/shapes.ts';
import type { Prices, Scene } from './scene.ts';
import type { Story } from './story.ts';

const KNOWN = ['incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid', 'paused'];

/** What stands in the database when everything has come to rest, and should not. Nothing here asks the code that it judges. */
export async function faultsAtRest(scene: Scene): Promise<string[]> {
  const { store, stories, world } = scene;
  const [books, { violations }, open, told] = await Promise.all([
    readBooks(store),
    verifyLedger(store),
    webhookEventsOf(store)
      .find({ state: { $ne: 'ended' } })
      .toArray(),
    auditOf(store).countDocuments({ action: 'subscription.ended_with_account' }),
  ]);
  const ended = [...world.subscriptions.values()].filter(({ cancellation_details }) =>
    cancellation_details?.comment?.startsWith('The account was deleted'),
  ).length;
  const theirs = stories.flatMap((story) => {
    const mine = books.find(({ user }) => user._id.equals(story.userId));
    const faults = mine ? faultsOf(scene, story, mine) : ['nobody is stored'];
    return faults.length > 0 ? [`${faults.join('; ')}: ${story.done.join(', ')}`] : [];
  });
  return [
    ...open.map(({ type, failure }) => `${type} was not applied: ${failure}`),
    ...(told < ended ? [`${ended} ended with an account, and ${told} are in the audit trail`] : []),
    ...scene.prorations.faults(),
    ...violations.flatMap(({ problems }) => problems),
    ...theirs,
  ];
}

/** The faults of one of them. */
export function faultsOf({ store, world, prices }: Scene, story: Story, books: Books): string[] {
  const now = store.clock.now();
  const faults = [...story.faults, ...faultsIn(books, now)];
  const demand = (holds: boolean, words: string) => holds || faults.push(words);
  const { user, subscriptions: stored } = books;
  const live = story.live();
  for (const subscription of story.subscriptions()) {
    const mine = stored.find(({ stripeSubscriptionId }) => stripeSubscriptionId === subscription.id);
    const isGone = world.customers.get(subscription.customer)?.deleted === true;
    if (live.length > 1 && live.includes(subscription) && (!mine || hasEnded(mine))) continue;
    if (isGone) demand(!mine || hasEnded(mine), `${subscription.id} of a deleted customer is ${mine?.status}`);
    else faults.push(...differences(story, prices, subscription, mine));
  }

  for (const { _id, unconfirmed } of stored) demand(!unconfirmed, `nobody has looked at ${_id} since it was written`);
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
  if (user.isDeleted) for (const id of story.payable()) faults.push(`a deleted account can still pay on ${id}`);
  const best = Math.max(...live.map((each) => worthOf(each, prices)));
  const chosen = live.find(({ id }) => id === one?.stripeSubscriptionId);
  demand(!chosen || worthOf(chosen, prices) === best, `another one than ${chosen?.id} is worth most`);
  return faults;
}

/** What grants more is worth more; 0 grants nothing. */
function worthOf(subscription: Subscription, prices: Prices): number {
  const grants = subscription.status === 'active' || subscription.status === 'trialing';
  return grants ? { free: 1, plus: 2, pro: 3 }[tierOf(subscription, prices)] : 0;
}

function tierOf({ items, status }: Subscription, prices: Prices): 'free' | 'plus' | 'pro' {
  const [item, ...others] = items.data;
  if (!item || others.length > 0 || item.quantity !== 1 || !KNOWN.includes(status)) return 'free';
  return tierOfPrice(item.price.id, prices) ?? 'free';
}

const tierOfPrice = (price: string | undefined, { plus, pro }: Prices): 'plus' | 'pro' | null =>
  price === plus.id ? 'plus' : price === pro.id ? 'pro' : null;

/** What the phase sells that begins with the end of the running period, if it is another tier than now. */
function pendingTierOf({ world }: Story, prices: Prices, { schedule, items }: Subscription): 'plus' | 'pro' | null {
  const [item] = items.data;
  const phases = world.schedules.get(schedule ?? '')?.phases ?? [];
  const next = phases.find(({ start_date }) => item && start_date >= item.current_period_end);
  const tier = tierOfPrice(next?.items[0]?.price, prices);
  return tier === tierOfPrice(item?.price.id, prices) ? null : tier;
}

function differences(story: Story, prices: Prices, at: Subscription, stored: Stored | undefined): string[] {
  const [item] = at.items.data;
  if (!item) return [`${at.id} has no items`];
  const seconds = (instant: Date | undefined) => (instant ? instant.getTime() / 1000 : null);
  const expected = {
    customer: at.customer,
    tier: tierOf(at, prices),
    status: KNOWN.includes(at.status) ? at.status : 'unpaid',
    start: item.current_period_start,
    end: item.current_period_end,
    trialStart: at.trial_start,
    trialEnd: at.trial_end,
    cancels: at.cancel_at_period_end,
    pendingTier: pendingTierOf(story, prices, at),
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

/** How often quotas were reset, and the revisions of what is stored: what a repetition must not change. */
export async function tracesOf({ store }: Scene): Promise<unknown> {
  const [users, subscriptions] = await Promise.all([
    usersOf(store)
      .find({}, { projection: { periodNumber: 1, entrySequence: 1 } })
      .sort({ _id: 1 })
      .toArray(),
    subscriptionsOf(store)
      .find({}, { projection: { revision: 1 } })
      .sort({ _id: 1 })
      .toArray(),
  ]);
  return { users, subscriptions };
}
