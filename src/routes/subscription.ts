import { z } from 'zod';
import { SUBSCRIPTION_STATUSES } from '../domain/subscription.ts';
import { SUBSCRIPTION_TIERS } from '../domain/tiers.ts';
import type { SubscriptionDocument } from '../models/methods/subscription.ts';
import { readable, represent } from './permitted.ts';
import { instantSchema } from './schemas.ts';

/** What a user sees of their subscription, whether or not there is one. */
export const subscriptionSchema = readable(
  {
    resource: 'Subscription',
    by: 'self',
    id: 'Subscription',
    example: {
      tier: 'plus',
      status: 'active',
      isActive: true,
      currentPeriodEnd: '2026-04-10T09:00:00.000Z',
      cancelAtPeriodEnd: false,
      daysUntilRenewal: 31,
      pendingTier: null,
    },
  },
  {
    tier: z.enum(SUBSCRIPTION_TIERS).describe('What it grants now: `free` unless it is active.'),
    status: z.enum(SUBSCRIPTION_STATUSES).nullable().describe("Stripe's word; null without a subscription."),
    isActive: z.boolean().describe('Whether it grants its tier: active, in trial, or past due for at most 3 days.'),
    currentPeriodEnd: instantSchema.nullable(),
    cancelAtPeriodEnd: z.boolean(),
    daysUntilRenewal: z.int().nonnegative().nullable().describe('Begun days count whole.'),
    pendingTier: z.enum(SUBSCRIPTION_TIERS).nullable().describe('The tier from the end of this period on.'),
  },
);

export function subscriptionOut(subscription: SubscriptionDocument | null): z.input<typeof subscriptionSchema> {
  const isActive = subscription?.isActive() ?? false;
  return represent(subscriptionSchema, {
    tier: subscription && isActive ? subscription.tier : 'free',
    status: subscription?.status ?? null,
    isActive,
    currentPeriodEnd: subscription?.currentPeriodEnd.toISOString() ?? null,
    cancelAtPeriodEnd: subscription?.cancelAtPeriodEnd ?? false,
    daysUntilRenewal: subscription?.getDaysUntilRenewal() ?? null,
    pendingTier: subscription?.pendingTier ?? null,
  });
}
