import type { Types } from 'mongoose';
import type { Act } from '../domain/audit.ts';
import { ENDED_STATUSES, LIVE_STATUSES, PAST_DUE_GRACE_MS } from '../domain/subscription.ts';
import { subscriptionsOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import type { Subscription } from '../models/Subscription.ts';
import { openAct } from '../models/statements/acts.ts';
import type { Store } from '../models/store.ts';

/** What a sync has to know of a stored subscription before it asks Stripe. */
export type StoredSubscription = Pick<
  Subscription,
  '_id' | 'userId' | 'status' | 'revision' | 'unapplied' | 'unconfirmed' | 'synced' | 'stripeSubscriptionId'
>;

const STORED = {
  userId: 1,
  status: 1,
  revision: 1,
  unapplied: 1,
  unconfirmed: 1,
  synced: 1,
  stripeSubscriptionId: 1,
} as const satisfies Partial<Record<keyof Subscription, 1>>;

export function subscriptionsOfCustomer(store: Store, stripeCustomerId: string): Promise<StoredSubscription[]> {
  return subscriptionsOf(store).find<StoredSubscription>({ stripeCustomerId }, { projection: STORED }).toArray();
}

/** What Stripe says of a subscription: every field of it that is kept, and no other. */
export type SubscriptionFacts = Pick<
  Subscription,
  'tier' | 'status' | 'currentPeriodStart' | 'currentPeriodEnd' | 'cancelAtPeriodEnd' | 'metadata'
> &
  Required<Pick<Subscription, 'stripeCustomerId' | 'stripeSubscriptionId'>> &
  Partial<Pick<Subscription, 'trialStart' | 'trialEnd' | 'pendingTier'>>;

/** How long the second look is left to the process that has written, and to one that has claimed it. */
const LOOK_WITHIN_MS = 60_000;

/** Of what may be missing, what is not said is not so. */
const OPTIONAL = ['trialStart', 'trialEnd', 'pendingTier'] as const;

/**
 * Writes what Stripe says over what is stored, unless somebody has written since it was read: then they may know more. Like all that follows
 * from a look at Stripe, it is unconfirmed until another look finds it as it is.
 *
 * @returns false when nothing was written, since the revision is another one or another live subscription is in the way
 */
export async function overwriteSubscription(
  store: Store,
  read: StoredSubscription,
  facts: SubscriptionFacts,
  { synced, act }: { synced: string; act: Act | null },
): Promise<boolean> {
  const now = store.clock.now();
  const absent = OPTIONAL.filter((field) => facts[field] === undefined);
  const written = await unlessTaken(async () => {
    return await subscriptionsOf(store).updateOne(
      { _id: read._id, revision: read.revision },
      {
        $set: { ...facts, synced, unapplied: now, unconfirmed: lookDueAt(now), updatedAt: now },
        $inc: { revision: 1 },
        ...(absent.length > 0 && { $unset: Object.fromEntries(absent.map((field) => [field, 1 as const])) }),
        ...(act && { $push: { openActs: openAct(act, now) } }),
      },
    );
  });
  return written?.modifiedCount === 1;
}

/** @returns false when it is stored already, or another live subscription of the user's is in the way */
export async function insertSubscription(
  store: Store,
  userId: Types.ObjectId,
  facts: SubscriptionFacts,
  { synced, act }: { synced: string; act: Act | null },
): Promise<boolean> {
  const now = store.clock.now();
  const openActs = act ? { openActs: [openAct(act, now)] } : {};
  const inserted = await unlessTaken(() =>
    store.models.Subscription.create({
      ...facts,
      userId,
      synced,
      unapplied: now,
      unconfirmed: lookDueAt(now),
      ...openActs,
    }),
  );
  return inserted !== null;
}

/** Ends a subscription that Stripe does not know any more. Of one that it never knew a look can confirm nothing. */
export async function endSubscription(store: Store, read: StoredSubscription): Promise<boolean> {
  const now = store.clock.now();
  const unconfirmed = read.stripeSubscriptionId !== undefined && { unconfirmed: lookDueAt(now) };
  const { modifiedCount } = await subscriptionsOf(store).updateOne(
    { _id: read._id, revision: read.revision, status: { $nin: [...ENDED_STATUSES] } },
    {
      $set: { status: 'canceled', unapplied: now, ...unconfirmed, updatedAt: now },
      $unset: { synced: 1 },
      $inc: { revision: 1 },
    },
  );
  return modifiedCount === 1;
}

const lookDueAt = (now: Date): Date => new Date(now.getTime() + LOOK_WITHIN_MS);

/** A look at Stripe has found these as they were read before it; what was written since waits for a look of its own. */
export async function confirm(store: Store, read: readonly StoredSubscription[]): Promise<void> {
  const confirmed = read
    .filter(({ unconfirmed }) => unconfirmed !== undefined)
    .map(({ _id, revision }) => ({ _id, revision }));
  if (confirmed.length > 0) await subscriptionsOf(store).updateMany({ $or: confirmed }, { $unset: { unconfirmed: 1 } });
}

/** What whoever has written it has not looked at once more. */
export type Unconfirmed = Pick<Subscription, '_id' | 'stripeCustomerId'> & Required<Pick<Subscription, 'unconfirmed'>>;

/** The subscription whose second look has been due for longest, or null. Nobody else is given it for a minute. */
export async function claimUnconfirmed(store: Store): Promise<Unconfirmed | null> {
  const now = store.clock.now();
  const unconfirmed = lookDueAt(now);
  const claimed = await subscriptionsOf(store).findOneAndUpdate(
    { unconfirmed: { $lte: now } },
    { $set: { unconfirmed } },
    { sort: { unconfirmed: 1 }, projection: { stripeCustomerId: 1 } },
  );
  return claimed && { ...claimed, unconfirmed };
}

/** Of what was claimed and could not be confirmed; what was written since is left to its writer. */
export async function postponeLook(store: Store, claimed: Unconfirmed, delayMs: number): Promise<void> {
  const { _id, unconfirmed } = claimed;
  const dueAt = new Date(store.clock.now().getTime() + delayMs);
  await subscriptionsOf(store).updateOne({ _id, unconfirmed }, { $set: { unconfirmed: dueAt } });
}

/**
 * Grace runs out by the clock, without any news: what has been past due for too long is handed to whoever lets accounts follow, once for
 * each unpaid period.
 *
 * @returns of how many subscriptions it has run out
 */
export async function endGraces(store: Store): Promise<number> {
  const now = store.clock.now();
  const unpaidSince = new Date(now.getTime() - PAST_DUE_GRACE_MS);
  const { modifiedCount } = await subscriptionsOf(store).updateMany(
    {
      isDeleted: false,
      status: 'past_due',
      currentPeriodStart: { $lte: unpaidSince },
      $expr: { $ne: ['$graceEndedFor', '$currentPeriodStart'] },
    },
    [
      {
        $set: {
          graceEndedFor: '$currentPeriodStart',
          revision: { $add: ['$revision', 1] },
          unapplied: now,
          updatedAt: now,
        },
      },
    ],
  );
  return modifiedCount;
}

/** The subscription that is stored of one of Stripe's. */
export async function storedSubscriptionId(store: Store, stripeSubscriptionId: string): Promise<Types.ObjectId | null> {
  const stored = await subscriptionsOf(store).findOne({ stripeSubscriptionId }, { projection: { _id: 1 } });
  return stored?._id ?? null;
}

/** The user's subscription that has not ended, whoever made it. */
export async function liveSubscriptionOf(store: Store, userId: Types.ObjectId): Promise<Subscription | null> {
  return await subscriptionsOf(store).findOne({ userId, isDeleted: false, status: { $in: [...LIVE_STATUSES] } });
}

async function unlessTaken<Result>(write: () => Promise<Result>): Promise<Result | null> {
  try {
    return await write();
  } catch (error) {
    if (isDuplicateKey(error)) return null;
    throw error;
  }
}

/** What is stored of these subscriptions of Stripe's, as far as a comparison needs it. */
export async function storedAmong(
  store: Store,
  stripeSubscriptionIds: readonly string[],
): Promise<Pick<Subscription, 'stripeSubscriptionId' | 'synced' | 'unapplied'>[]> {
  return await subscriptionsOf(store)
    .find(
      { stripeSubscriptionId: { $in: [...stripeSubscriptionIds] } },
      { projection: { stripeSubscriptionId: 1, synced: 1, unapplied: 1 } },
    )
    .toArray();
}

/** Notes that Stripe's list has these. Not a change: it says nothing new of any of them. */
export async function markListed(store: Store, stripeSubscriptionIds: readonly string[], at: Date): Promise<void> {
  await subscriptionsOf(store).updateMany(
    { stripeSubscriptionId: { $in: [...stripeSubscriptionIds] } },
    { $set: { listedAt: at } },
  );
}

/** The customers of stored subscriptions that have not ended, and that Stripe's list has not had since `since`. */
export async function* unlistedCustomers(store: Store, since: Date): AsyncGenerator<string> {
  const live = subscriptionsOf(store).find(
    { isDeleted: false, status: { $in: [...LIVE_STATUSES] }, stripeCustomerId: { $exists: true } },
    { projection: { stripeCustomerId: 1, listedAt: 1 } },
  );
  for await (const { stripeCustomerId, listedAt } of live)
    if (stripeCustomerId !== undefined && !(listedAt && listedAt >= since)) yield stripeCustomerId;
}
