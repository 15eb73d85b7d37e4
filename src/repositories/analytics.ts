import { type mongo, Types } from 'mongoose';
import {
  type AnalyticsRequest,
  type AnalyticsWindow,
  type DailyUsage,
  summarize,
  windowOf,
} from '../domain/analytics.ts';
import { utcDay } from '../domain/calendar.ts';
import { quotaOf } from '../domain/quota.ts';
import { partsOf, type SlotRange, slotsOneByOne } from '../domain/slots.ts';
import { PAST_DUE_GRACE_MS } from '../domain/subscription.ts';
import { SUBSCRIPTION_TIERS, type SubscriptionTier } from '../domain/tiers.ts';
import type { UsageSummary } from '../domain/usage.ts';
import { subscriptionsOf, usageDaysOf, usageTotalsOf, usersOf } from '../models/collections.ts';
import type { Subscription } from '../models/Subscription.ts';
import type { UserReference } from '../models/statements/accounts.ts';
import { rollUp } from '../models/statements/usage/rollUp.ts';
import { countDays, uncountedDays } from '../models/statements/usage/source.ts';
import { keyOf } from '../models/statements/usage/userDay.ts';
import type { Store } from '../models/store.ts';
import type { UsageDay } from '../models/UsageDay.ts';
import { getUser } from './users.ts';

export interface UserAnalytics {
  user: {
    id: string;
    subscriptionTier: SubscriptionTier;
    monthlyUsage: number;
    remainingQuota: number;
    totalImagesGenerated: number;
  };
  analytics: { days: number; timezone: string } & UsageSummary & { dailyGenerations: DailyUsage[] };
}

export interface SystemAnalytics {
  overview: {
    /** As things are now. */
    totalUsers: number;
    usersByTier: Record<SubscriptionTier, number>;
    activeSubscriptions: number;
    /** Users who created a generation in the days that were asked for. */
    activeUsers: number;
  } & UsageSummary;
  trends: { dailyTrends: (DailyUsage & { newUsers: number })[] };
}

type UsagePart = Pick<UsageDay, 'userId' | 'day' | 'usage' | 'frozen'> & Partial<Pick<UsageDay, 'slots'>>;

/**
 * A user's account and what they asked for on the days asked for, as it is at this moment: what the rollups do not hold yet is
 * counted from the generations of its days.
 *
 * @throws {ValidationFailedError}
 * @throws {UserNotFoundError}
 * @throws {ArtifexError} `account_deleted`
 */
export async function userAnalytics(
  store: Store,
  reference: UserReference,
  request: AnalyticsRequest = {},
): Promise<UserAnalytics> {
  const now = store.clock.now();
  const window = windowOf(request, now);
  const user = await getUser(store, reference);
  const { used, remaining } = quotaOf(user, now);
  const { summary, daily } = summarize(window, partsOf(await daysOfUser(store, user._id, window), window));
  return {
    user: {
      id: user._id.toHexString(),
      subscriptionTier: user.subscriptionTier,
      monthlyUsage: used,
      remainingQuota: remaining,
      totalImagesGenerated: user.totalImagesGenerated,
    },
    analytics: { days: daily.length, timezone: window.timezone, ...summary, dailyGenerations: daily },
  };
}

/**
 * All users and what they asked for on the days asked for. It first takes up what changed since the last rollup, so that it is right
 * also where no job runs.
 *
 * @throws {ValidationFailedError}
 */
export async function systemAnalytics(store: Store, request: AnalyticsRequest = {}): Promise<SystemAnalytics> {
  const now = store.clock.now();
  const window = windowOf(request, now);
  await rollUp(store);
  const [days, usersByTier, newUsers, activeUsers, activeSubscriptions] = await Promise.all([
    storedDays(store, null, window),
    countByTier(store),
    countNewUsers(store, window),
    countActiveUsers(store, window),
    countActiveSubscriptions(store, now),
  ]);
  const { summary, daily } = summarize(window, partsOf(days, window));
  const totalUsers = SUBSCRIPTION_TIERS.reduce((sum, tier) => sum + usersByTier[tier], 0);
  return {
    overview: { totalUsers, activeUsers, usersByTier, activeSubscriptions, ...summary },
    trends: {
      dailyTrends: daily.map((day, index) => ({ ...day, newUsers: newUsers[index] ?? 0 })),
    },
  };
}

/**
 * What changed is looked up first: whatever leaves that list has come to the rollups before, so that no change falls between
 * the two.
 */
async function daysOfUser(store: Store, userId: Types.ObjectId, window: AnalyticsWindow): Promise<UsagePart[]> {
  const changed = await uncountedDays(store, userId, window.from, window.to);
  const stored = await storedDays(store, userId, window);
  if (changed.length === 0) return stored;
  const frozen = new Set(stored.filter((day) => day.frozen).map(keyOf));
  const open = changed.filter((day) => !frozen.has(keyOf(day)));
  const counted = await countDays(store, open);
  const live = open.flatMap((day) => {
    const content = counted.get(keyOf(day));
    return content ? [{ ...day, ...content }] : [];
  });
  return [...stored.filter((day) => !counted.has(keyOf(day))), ...live];
}

/** Of their quarter-hours, most of what they hold, only those that are needed one by one. */
function storedDays(store: Store, userId: Types.ObjectId | null, window: AnalyticsWindow): Promise<UsagePart[]> {
  const slots = slotsOneByOne(window);
  return usageDaysOf(store)
    .find<UsagePart>(
      { userId, day: { $gte: utcDay(window.from), $lt: window.to } },
      { projection: { userId: 1, day: 1, usage: 1, frozen: 1, ...(slots && { slots: within(slots) }) } },
    )
    .toArray();
}

const within = ({ from, to }: SlotRange) => ({
  $filter: { input: '$slots', cond: { $and: [{ $gte: ['$$this.at', from] }, { $lt: ['$$this.at', to] }] } },
});

async function countByTier(store: Store): Promise<Record<SubscriptionTier, number>> {
  const rows = await usersOf(store)
    .aggregate<{ _id: SubscriptionTier; n: number }>([
      { $match: { isDeleted: false } },
      { $group: { _id: '$subscriptionTier', n: { $sum: 1 } } },
    ])
    .toArray();
  return { free: 0, plus: 0, pro: 0, ...Object.fromEntries(rows.map(({ _id, n }) => [_id, n])) };
}

/** Sign-ups on each day of the window. */
async function countNewUsers(store: Store, { days, from, to }: AnalyticsWindow): Promise<number[]> {
  const rows = await usersOf(store)
    .aggregate<{ _id: Date; users: number }>([
      { $match: { isDeleted: false, createdAt: { $gte: from, $lt: to } } },
      {
        $bucket: {
          groupBy: '$createdAt',
          boundaries: [...days.map(({ start }) => start), to],
          output: { users: { $sum: 1 } },
        },
      },
    ])
    .toArray();
  const byStart = new Map(rows.map(({ _id, users }) => [_id.getTime(), users]));
  return days.map(({ start }) => byStart.get(start.getTime()) ?? 0);
}

/** Every id there is: the system's own totals, whose `userId` is null, are left out by a range that an index counts. */
const ANYBODY = { $gte: new Types.ObjectId('0'.repeat(24)) };

/** Whoever created something in the window, which always ends today: then their newest generation is of it. */
function countActiveUsers(store: Store, { from, to }: AnalyticsWindow): Promise<number> {
  return usageTotalsOf(store).countDocuments({ lastAt: { $gte: from, $lt: to }, userId: ANYBODY });
}

/** Those that grant their tier: what `isActive` of the rules says, in two counts that an index answers alone. */
async function countActiveSubscriptions(store: Store, now: Date): Promise<number> {
  const count = async (filter: mongo.Filter<Subscription>) =>
    await subscriptionsOf(store).countDocuments({ ...filter, isDeleted: false });
  const unpaidSince = new Date(now.getTime() - PAST_DUE_GRACE_MS);
  const [paid, unpaid] = await Promise.all([
    count({ status: { $in: ['active', 'trialing'] } }),
    count({ status: 'past_due', currentPeriodStart: { $gt: unpaidSince } }),
  ]);
  return paid + unpaid;
}
