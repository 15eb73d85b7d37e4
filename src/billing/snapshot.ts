import type Stripe from 'stripe';
import { fingerprintOf } from '../domain/idempotency.ts';
import { SUBSCRIPTION_STATUSES, type SubscriptionStatus } from '../domain/subscription.ts';
import { SUBSCRIPTION_TIERS, type SubscriptionTier } from '../domain/tiers.ts';
import type { Subscription } from '../models/Subscription.ts';
import type { StripeConfig } from './stripe.ts';

/** What a person has to mend at Stripe. Until then nothing is granted. */
export const SNAPSHOT_PROBLEMS = [
  'unknown_price',
  'several_items',
  'several_units',
  'no_items',
  'unknown_status',
] as const;
export type SnapshotProblem = (typeof SNAPSHOT_PROBLEMS)[number];

/** A subscription of Stripe's in the terms of ours, whole: what is not in it is not so. */
export interface Snapshot {
  facts: Facts;
  problems: SnapshotProblem[];
  fingerprint: string;
}

export type Facts = Pick<
  Subscription,
  'tier' | 'status' | 'currentPeriodStart' | 'currentPeriodEnd' | 'cancelAtPeriodEnd' | 'metadata'
> &
  Required<Pick<Subscription, 'stripeCustomerId' | 'stripeSubscriptionId'>> &
  Partial<Record<'trialStart' | 'trialEnd', Date>> & { pendingTier?: SubscriptionTier };

/** Seconds since the epoch, as all of Stripe's instants. */
const instant = (seconds: number): Date => new Date(seconds * 1000);

/** @param source of a list that has expanded `data.schedule` */
export async function snapshotOf(source: Stripe.Subscription, prices: StripeConfig['prices']): Promise<Snapshot> {
  const [item, ...others] = source.items.data;
  const tier = item && tierOf(item.price, prices);
  const status = statusOf(source.status);
  const problems: SnapshotProblem[] = [
    ...(item === undefined ? (['no_items'] as const) : []),
    ...(others.length > 0 ? (['several_items'] as const) : []),
    ...(item && (item.quantity ?? 1) !== 1 ? (['several_units'] as const) : []),
    ...(item && !tier ? (['unknown_price'] as const) : []),
    ...(status === null ? (['unknown_status'] as const) : []),
  ];
  const pendingTier = pendingTierOf(source, prices, tier);
  const facts: Facts = {
    stripeCustomerId: idOf(source.customer),
    stripeSubscriptionId: source.id,
    tier: problems.length === 0 && tier ? tier : 'free',
    status: status ?? 'unpaid',
    currentPeriodStart: instant(item?.current_period_start ?? source.start_date),
    currentPeriodEnd: instant(item?.current_period_end ?? source.start_date),
    cancelAtPeriodEnd: endsWithPeriod(source, item),
    metadata: { ...source.metadata, ...(status === null && { stripeStatus: String(source.status) }) },
    ...(source.trial_start !== null && { trialStart: instant(source.trial_start) }),
    ...(source.trial_end !== null && { trialEnd: instant(source.trial_end) }),
    ...(pendingTier && { pendingTier }),
  };
  return { facts, problems, fingerprint: await fingerprintOf([facts, problems]) };
}

/** Words that this version does not know come with later ones. They grant nothing. */
function statusOf(word: string): SubscriptionStatus | null {
  return SUBSCRIPTION_STATUSES.find((known) => known === word) ?? null;
}

/** The price's id decides, then its lookup key (`plus` or `artifex_plus`), then its metadata. */
export function tierOf(price: Stripe.Price, prices: StripeConfig['prices']): SubscriptionTier | undefined {
  if (price.id === prices.plus) return 'plus';
  if (price.id === prices.pro) return 'pro';
  const named = price.lookup_key?.replace(/^artifex_/, '');
  return tierNamed(named) ?? tierNamed(price.metadata?.['tier']);
}

const tierNamed = (name: string | undefined): SubscriptionTier | undefined =>
  SUBSCRIPTION_TIERS.find((tier) => tier === name && tier !== 'free');

function endsWithPeriod(source: Stripe.Subscription, item: Stripe.SubscriptionItem | undefined): boolean {
  return source.cancel_at_period_end || (source.cancel_at !== null && source.cancel_at === item?.current_period_end);
}

/** What a schedule has for the time after the running period (https://docs.stripe.com/billing/subscriptions/subscription-schedules). */
function pendingTierOf(
  { schedule, items }: Stripe.Subscription,
  prices: StripeConfig['prices'],
  tier: SubscriptionTier | undefined,
): SubscriptionTier | undefined {
  if (schedule === null || typeof schedule === 'string' || schedule.status !== 'active') return undefined;
  const periodEnd = items.data[0]?.current_period_end ?? 0;
  const next = schedule.phases.find(({ start_date }) => start_date >= periodEnd);
  const price = next?.items[0]?.price;
  if (price === undefined) return undefined;
  const pending =
    typeof price === 'string' ? tierOfId(price, prices) : 'deleted' in price ? undefined : tierOf(price, prices);
  return pending === tier ? undefined : pending;
}

const tierOfId = (price: string, prices: StripeConfig['prices']): SubscriptionTier | undefined =>
  price === prices.plus ? 'plus' : price === prices.pro ? 'pro' : undefined;

export const idOf = (reference: string | { id: string }): string =>
  typeof reference === 'string' ? reference : reference.id;
