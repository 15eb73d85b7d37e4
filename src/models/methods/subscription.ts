import type { HydratedDocument, Types } from 'mongoose';
import { LIBRARY } from '../../domain/audit.ts';
import { ArtifexError } from '../../domain/errors.ts';
import { daysUntilRenewal, hasExpired, isActive, isInTrial, LIVE_STATUSES } from '../../domain/subscription.ts';
import { assertTier, isHigherTier, type SubscriptionTier } from '../../domain/tiers.ts';
import { subscriptionsOf } from '../collections.ts';
import type { Subscription, SubscriptionModelType } from '../Subscription.ts';
import { followSubscription } from '../statements/following.ts';
import { createFromStripe, type StripeInput } from '../statements/fromStripe.ts';
import { deleted, restored } from '../statements/visibility.ts';
import type { Store } from '../store.ts';
import { refresh } from './refresh.ts';

export type SubscriptionDocument = HydratedDocument<Subscription, SubscriptionMethods>;

export interface SubscriptionMethods {
  /** Whether it grants its tier now: active, in trial, or past due for at most 3 days. */
  isActive(): boolean;
  isInTrial(): boolean;
  /** Whether it has ended, or its period is over and no other has begun. */
  hasExpired(): boolean;
  /** Begun days count whole. */
  getDaysUntilRenewal(): number;
  /** True only for a higher tier. */
  canUpgrade(newTier: SubscriptionTier): boolean;
  /**
   * Takes effect at once, also for the user. It changes what is stored here, and Stripe is not asked.
   *
   * @throws {ArtifexError} `conflict` unless it is a higher tier and the subscription has not ended
   */
  upgrade(newTier: SubscriptionTier): Promise<void>;
  /**
   * Takes effect when the paid period ends; until then `pendingTier` tells of it.
   *
   * @throws {ArtifexError} `conflict` unless it is a lower tier and the subscription has not ended
   */
  downgrade(newTier: SubscriptionTier): Promise<void>;
  softDelete(): Promise<void>;
  restore(): Promise<void>;
}

const CHANGING = [
  'tier',
  'pendingTier',
  'cancelAtPeriodEnd',
  'isDeleted',
  'deletedAt',
  'updatedAt',
] as const satisfies readonly (keyof Subscription)[];

type Update = Parameters<ReturnType<typeof subscriptionsOf>['findOneAndUpdate']>[1];

export function subscriptionMethods(store: Store): SubscriptionMethods & ThisType<SubscriptionDocument> {
  const now = () => store.clock.now();

  /** One guarded write, and then the user's account follows. */
  async function write(document: SubscriptionDocument, guard: object, update: Update): Promise<boolean> {
    const stored = await subscriptionsOf(store).findOneAndUpdate({ _id: document._id, ...guard }, update, {
      returnDocument: 'after',
      projection: Object.fromEntries(CHANGING.map((field) => [field, 1])),
    });
    if (!stored) return false;
    refresh(document, stored, CHANGING);
    await followSubscription(store, document.userId, LIBRARY);
    return true;
  }

  return {
    isActive() {
      return isActive(this, now());
    },
    isInTrial() {
      return isInTrial(this, now());
    },
    hasExpired() {
      return hasExpired(this, now());
    },
    getDaysUntilRenewal() {
      return daysUntilRenewal(this, now());
    },
    canUpgrade(newTier) {
      return isHigherTier(this.tier, newTier);
    },
    async upgrade(newTier) {
      assertTier(newTier);
      const at = now();
      const changes = { tier: newTier, unapplied: at, updatedAt: at };
      const guard = { ...LIVE, tier: { $in: tiersBelow(newTier) } };
      if (await write(this, guard, { $set: changes, $inc: { revision: 1 }, $unset: { pendingTier: 1, synced: 1 } }))
        return;
      throw new ArtifexError(
        'conflict',
        `Only a subscription to a lower tier that has not ended can rise to ${newTier}.`,
      );
    },
    async downgrade(newTier) {
      assertTier(newTier);
      const changes = {
        pendingTier: newTier,
        updatedAt: now(),
        ...(newTier === 'free' && { cancelAtPeriodEnd: true }),
      };
      const guard = { ...LIVE, tier: { $nin: [newTier, ...tiersBelow(newTier)] } };
      if (await write(this, guard, { $set: changes, $unset: { synced: 1 } })) return;
      throw new ArtifexError(
        'conflict',
        `Only a subscription to a higher tier that has not ended can sink to ${newTier}.`,
      );
    },
    async softDelete() {
      const act = { action: 'subscription.deleted', actor: LIBRARY } as const;
      await write(this, { isDeleted: false }, [changed(now()), ...deleted(act, now())]);
    },
    async restore() {
      const act = { action: 'subscription.restored', actor: LIBRARY } as const;
      await write(this, { isDeleted: true }, [changed(now()), ...restored(act, now())]);
    },
  };
}

/** The user's account has to follow. */
function changed(now: Date) {
  return { $set: { revision: { $add: ['$revision', 1] }, unapplied: now } };
}

const LIVE = { isDeleted: false, status: { $in: [...LIVE_STATUSES] } };

function tiersBelow(tier: SubscriptionTier): SubscriptionTier[] {
  return (['free', 'plus', 'pro'] as const).filter((other) => isHigherTier(other, tier));
}

export interface SubscriptionStatics {
  /** The one that has not ended, else the latest, or null. */
  findByUserId(userId: Types.ObjectId | string): Promise<SubscriptionDocument | null>;
  findByTier(tier: SubscriptionTier): Promise<SubscriptionDocument[]>;
  findByStripeId(stripeSubscriptionId: string): Promise<SubscriptionDocument | null>;
  /** Those that have not ended although their period is over. */
  findExpiredSubscriptions(): Promise<SubscriptionDocument[]>;
  /**
   * Stores what Stripe says, once per subscription however often it is called, and lets the user's tier follow.
   *
   * @param stripeData Stripe's own object of the API version in use, or the flat form
   *   `{customerId, subscriptionId, status, currentPeriodEnd, userId?, tier?, currentPeriodStart?, ...}`
   * @throws {ValidationFailedError} naming what is missing
   * @throws {UserNotFoundError} when it tells of no user who is known
   */
  createFromStripe(stripeData: StripeInput): Promise<SubscriptionDocument>;
}

export function subscriptionStatics(store: Store): SubscriptionStatics & ThisType<SubscriptionModelType> {
  return {
    async findByUserId(userId) {
      const live = await this.findOne({ userId, status: { $in: [...LIVE_STATUSES] } }).exec();
      return live ?? this.findOne({ userId }).sort({ createdAt: -1 }).exec();
    },
    findByTier(tier) {
      return this.find({ tier }).sort({ createdAt: -1 }).exec();
    },
    findByStripeId(stripeSubscriptionId) {
      return this.findOne({ stripeSubscriptionId }).exec();
    },
    findExpiredSubscriptions() {
      const over = { $lte: store.clock.now() };
      return this.find({ status: { $in: [...LIVE_STATUSES] }, currentPeriodEnd: over }).exec();
    },
    createFromStripe(stripeData) {
      return createFromStripe(store, stripeData);
    },
  };
}
