import type Stripe from 'stripe';
import { z } from 'zod';
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
  /** When it was sold; unlike its periods, that never changes. */
  soldAt: Date;
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

const reference = z.union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)]);
const seconds = z.number().nullish();

const priceSchema = z.object({
  id: z.string(),
  lookup_key: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
});
export type PriceFacts = z.output<typeof priceSchema>;

/**
 * The part of Stripe's object that counts (https://docs.stripe.com/api/subscriptions/object). What is missing is as good as null, since
 * a test's server, or another version of the API, may leave it out; an older version has the period on the subscription itself.
 */
const sourceSchema = z.object({
  id: z.string(),
  customer: reference,
  status: z.string(),
  items: z.object({
    data: z.array(
      z.object({
        quantity: z.number().nullish(),
        current_period_start: seconds,
        current_period_end: seconds,
        price: priceSchema,
      }),
    ),
  }),
  current_period_start: seconds,
  current_period_end: seconds,
  start_date: seconds,
  created: z.number(),
  cancel_at_period_end: z.boolean().nullish(),
  cancel_at: seconds,
  trial_start: seconds,
  trial_end: seconds,
  metadata: z.record(z.string(), z.string()).nullish(),
  schedule: z
    .union([
      z.string(),
      z.object({
        status: z.string(),
        phases: z.array(
          z.object({
            start_date: z.number(),
            items: z.array(z.object({ price: z.union([z.string(), priceSchema]) })),
          }),
        ),
      }),
    ])
    .nullish(),
});
type Source = z.output<typeof sourceSchema>;

/**
 * @param object of a list that has expanded `data.schedule`
 * @throws {z.ZodError} for what is no subscription at all
 */
export async function snapshotOf(object: Stripe.Subscription, prices: StripeConfig['prices']): Promise<Snapshot> {
  const source = sourceSchema.parse(object);
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
  const { start, end } = periodOf(source);
  const pendingTier = pendingTierOf(source, end, prices, tier);
  const facts: Facts = {
    stripeCustomerId: source.customer,
    stripeSubscriptionId: source.id,
    tier: problems.length === 0 && tier ? tier : 'free',
    status: status ?? 'unpaid',
    currentPeriodStart: instant(start),
    currentPeriodEnd: instant(end),
    cancelAtPeriodEnd: source.cancel_at_period_end || source.cancel_at === end,
    metadata: { ...source.metadata, ...(status === null && { stripeStatus: source.status }) },
    ...(typeof source.trial_start === 'number' && { trialStart: instant(source.trial_start) }),
    ...(typeof source.trial_end === 'number' && { trialEnd: instant(source.trial_end) }),
    ...(pendingTier && { pendingTier }),
  };
  return { facts, problems, soldAt: instant(source.created), fingerprint: await fingerprintOf([facts, problems]) };
}

function periodOf({ items, current_period_start, current_period_end, start_date, created }: Source) {
  const [item] = items.data;
  const start = item?.current_period_start ?? current_period_start ?? start_date ?? created;
  return { start, end: item?.current_period_end ?? current_period_end ?? start };
}

/** Words that this version does not know come with later ones. They grant nothing. */
function statusOf(word: string): SubscriptionStatus | null {
  return SUBSCRIPTION_STATUSES.find((known) => known === word) ?? null;
}

/** The price's id decides, then its lookup key (`plus` or `artifex_plus`), then its metadata. */
export function tierOf(price: PriceFacts, prices: StripeConfig['prices']): SubscriptionTier | undefined {
  const named = price.lookup_key?.replace(/^artifex_/, '');
  return tierOfId(price.id, prices) ?? tierNamed(named) ?? tierNamed(price.metadata?.['tier']);
}

const tierNamed = (name: string | undefined): SubscriptionTier | undefined =>
  SUBSCRIPTION_TIERS.find((tier) => tier === name && tier !== 'free');

/** What a schedule has for the time after the running period (https://docs.stripe.com/billing/subscriptions/subscription-schedules). */
function pendingTierOf(
  { schedule }: Source,
  periodEnd: number,
  prices: StripeConfig['prices'],
  tier: SubscriptionTier | undefined,
): SubscriptionTier | undefined {
  if (!schedule || typeof schedule === 'string' || schedule.status !== 'active') return undefined;
  const next = schedule.phases.find(({ start_date }) => start_date >= periodEnd);
  const price = next?.items[0]?.price;
  if (price === undefined) return undefined;
  const pending = typeof price === 'string' ? tierOfId(price, prices) : tierOf(price, prices);
  return pending === tier ? undefined : pending;
}

const tierOfId = (price: string, prices: StripeConfig['prices']): SubscriptionTier | undefined =>
  price === prices.plus ? 'plus' : price === prices.pro ? 'pro' : undefined;

export const idOf = (object: string | { id: string }): string => (typeof object === 'string' ? object : object.id);
