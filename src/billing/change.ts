import type { Types } from 'mongoose';
import Stripe from 'stripe';
import { ArtifexError, ValidationFailedError } from '../domain/errors.ts';
import { isHigherTier, type SubscriptionTier } from '../domain/tiers.ts';
import type { Subscription } from '../models/Subscription.ts';
import { liveSubscriptionOf } from '../repositories/syncedSubscriptions.ts';
import { customerOf } from './customers.ts';
import { underKey } from './idempotency.ts';
import { idOf } from './snapshot.ts';
import { calling, type PaidTier, priceOf } from './stripe.ts';
import { type BillingDeps, syncCustomer } from './sync.ts';

export interface SubscriptionChange {
  tier?: SubscriptionTier | undefined;
  cancelAtPeriodEnd?: boolean | undefined;
}

type Stored = Subscription & Required<Pick<Subscription, 'stripeSubscriptionId' | 'stripeCustomerId'>>;

/**
 * Changes a subscription at Stripe, and then what is stored. A higher tier takes effect at once and is invoiced for the rest of the period; a
 * lower one at its end, and `free` is the end of the subscription with its period. What is so already is not done again. Every call carries a
 * key made of what is stored: a repetition after a crash does nothing twice, and what has become of a lost answer is read.
 *
 * @throws {ArtifexError} `conflict` without a subscription of Stripe's that has not ended, `unavailable`
 * @throws {ValidationFailedError} for wishes that exclude each other
 */
export async function changeSubscription(
  deps: BillingDeps,
  userId: Types.ObjectId,
  change: SubscriptionChange,
): Promise<void> {
  refuseContradiction(change);
  const stored = await currentOf(deps, userId);
  try {
    await apply(deps, stored, change);
  } catch (error) {
    throw error instanceof Stripe.errors.StripeCardError || error instanceof Stripe.errors.StripeInvalidRequestError
      ? new ArtifexError('conflict', 'Stripe refused the change. Look into the billing portal.', { cause: error })
      : error;
  } finally {
    await syncCustomer(deps, stored.stripeCustomerId);
  }
}

/** @throws {ValidationFailedError} for wishes that exclude each other */
export function refuseContradiction({ tier, cancelAtPeriodEnd }: SubscriptionChange): void {
  if (tier === 'free' && cancelAtPeriodEnd === false) {
    const message = 'Going down to free is the end of the subscription with its period';
    throw new ValidationFailedError([{ path: 'cancelAtPeriodEnd', message }]);
  }
}

/** As it is at Stripe now, also where its webhook is still on its way. */
async function currentOf(deps: BillingDeps, userId: Types.ObjectId): Promise<Stored> {
  const customer = await customerOf(deps.store, userId);
  if (customer !== undefined) await syncCustomer(deps, customer);
  return ofStripe(await liveSubscriptionOf(deps.store, userId));
}

function ofStripe(subscription: Subscription | null): Stored {
  const { stripeSubscriptionId, stripeCustomerId } = subscription ?? {};
  if (!subscription || stripeSubscriptionId === undefined || stripeCustomerId === undefined) throw nothingToChange();
  return { ...subscription, stripeSubscriptionId, stripeCustomerId };
}

export const nothingToChange = () =>
  new ArtifexError('conflict', 'There is no subscription to change. Buy one by a Checkout.');

async function apply(
  deps: BillingDeps,
  stored: Stored,
  { tier, cancelAtPeriodEnd }: SubscriptionChange,
): Promise<void> {
  const ends = tier === 'free' || cancelAtPeriodEnd === true;
  const goesOn =
    cancelAtPeriodEnd === false || (tier !== undefined && tier !== 'free' && isHigherTier(tier, stored.tier));
  if (tier !== undefined && tier !== 'free' && tier !== stored.tier) requireActive(stored);
  // A schedule stands in the way of every other change, and a new wish takes the place of what it would have done.
  if (stored.pendingTier !== undefined && stored.pendingTier !== tier) await release(deps, stored);
  if (tier !== undefined && isHigherTier(stored.tier, tier)) await upgrade(deps, stored, paid(tier));
  if (ends && !stored.cancelAtPeriodEnd) await setCancel(deps, stored, true);
  if (!ends && goesOn && stored.cancelAtPeriodEnd) await setCancel(deps, stored, false);
  const isLower = tier !== undefined && tier !== 'free' && isHigherTier(tier, stored.tier);
  if (isLower && stored.pendingTier !== tier) await downgrade(deps, stored, paid(tier));
}

const paid = (tier: SubscriptionTier): PaidTier => (tier === 'pro' ? 'pro' : 'plus');

function requireActive({ status }: Stored): void {
  if (status === 'active' || status === 'trialing') return;
  throw new ArtifexError(
    'conflict',
    `A subscription that is ${status} cannot change its tier. Pay in the billing portal first.`,
  );
}

const keyOf = (what: string, { stripeSubscriptionId, revision }: Stored, ...more: string[]): string =>
  [what, stripeSubscriptionId, revision, ...more].join(':');

/** https://docs.stripe.com/billing/subscriptions/upgrade-downgrade: the higher tier is there when its invoice is paid, and not before. */
async function upgrade({ stripe, config }: BillingDeps, stored: Stored, tier: PaidTier): Promise<void> {
  const price = priceOf(config, tier);
  await calling(async () => {
    const { items } = await stripe.subscriptions.retrieve(stored.stripeSubscriptionId);
    const [item] = items.data;
    if (!item) throw new ArtifexError('conflict', 'The subscription sells nothing. Look into the billing portal.');
    const upgraded: Stripe.SubscriptionUpdateParams = {
      items: [{ id: item.id, price }],
      proration_behavior: 'always_invoice',
      payment_behavior: 'pending_if_incomplete',
    };
    await underKey(keyOf('upgrade', stored, price), (options) =>
      stripe.subscriptions.update(stored.stripeSubscriptionId, upgraded, options),
    );
  });
}

async function setCancel({ stripe }: BillingDeps, stored: Stored, cancels: boolean): Promise<void> {
  await calling(() =>
    underKey(keyOf(cancels ? 'cancel' : 'resume', stored), (options) =>
      stripe.subscriptions.update(stored.stripeSubscriptionId, { cancel_at_period_end: cancels }, options),
    ),
  );
}

/** https://docs.stripe.com/billing/subscriptions/subscription-schedules: the running period as it is, then the lower price. */
async function downgrade({ stripe, config }: BillingDeps, stored: Stored, tier: PaidTier): Promise<void> {
  const price = priceOf(config, tier);
  await calling(async () => {
    const { schedule } = await stripe.subscriptions.retrieve(stored.stripeSubscriptionId);
    const { id, phases } = schedule
      ? await stripe.subscriptionSchedules.retrieve(idOf(schedule))
      : await underKey(keyOf('schedule', stored), (options) =>
          stripe.subscriptionSchedules.create({ from_subscription: stored.stripeSubscriptionId }, options),
        );
    const [current] = phases;
    if (!current)
      throw new ArtifexError('conflict', 'The subscription has no running period. Look into the billing portal.');
    const downgraded: Stripe.SubscriptionScheduleUpdateParams = {
      end_behavior: 'release',
      phases: [
        {
          items: current.items.map((item) => ({ price: idOf(item.price), quantity: item.quantity ?? 1 })),
          start_date: current.start_date,
          end_date: current.end_date,
        },
        { items: [{ price, quantity: 1 }], duration: { interval: 'month', interval_count: 1 } },
      ],
    };
    await underKey(keyOf('downgrade', stored, id, price), (options) =>
      stripe.subscriptionSchedules.update(id, downgraded, options),
    );
  });
}

/** The subscription goes on as it is. */
async function release({ stripe }: BillingDeps, stored: Stored): Promise<void> {
  await calling(async () => {
    const { schedule } = await stripe.subscriptions.retrieve(stored.stripeSubscriptionId);
    if (!schedule) return;
    await underKey(`release:${idOf(schedule)}`, (options) =>
      stripe.subscriptionSchedules.release(idOf(schedule), {}, options),
    );
  });
}
