import { type HydratedDocument, Types } from 'mongoose';
import { LIBRARY } from '../../domain/audit.ts';
import { assertCredits } from '../../domain/credits.ts';
import { InsufficientQuotaError } from '../../domain/errors.ts';
import { quotaOf } from '../../domain/quota.ts';
import { assertTier, type SubscriptionTier } from '../../domain/tiers.ts';
import type { Subscription } from '../Subscription.ts';
import { ACCOUNT_FIELDS, type Outcome, post } from '../statements/accounts.ts';
import type { Posting } from '../statements/posting/posting.ts';
import { tellIfReached } from '../statements/quotaAlerts.ts';
import type { Store } from '../store.ts';
import type { User, UserModelType } from '../User.ts';
import { refresh } from './refresh.ts';
import type { SubscriptionMethods } from './subscription.ts';

export type UserDocument = HydratedDocument<User, UserMethods>;

/** Whatever moves the account is one atomic write; the document shows its outcome afterwards. */
export interface UserMethods {
  /** Advice, from what this document has read: only a charge decides. */
  canGenerateImages(credits?: number): boolean;
  /**
   * Charges credits, or none.
   *
   * @throws {InsufficientQuotaError} `'Insufficient quota remaining'`
   * @throws {ArtifexError} `account_deleted`
   * @throws {UserNotFoundError}
   */
  incrementUsage(credits?: number): Promise<void>;
  /**
   * Begins a new month of credits: the one that is due, or else the running one anew. A month that began since this document
   * was read is left as it is.
   */
  resetMonthlyQuota(): Promise<void>;
  /** From what this document has read. */
  getRemainingQuota(): number;
  /** Sets the tier, at once and with a line in the audit trail. */
  updateSubscription(tier: SubscriptionTier): Promise<void>;
  /** The subscription that has not ended, else the latest, or null. */
  getSubscriptionDetails(): Promise<HydratedDocument<Subscription, SubscriptionMethods> | null>;
  /** Deletes the account softly. Sign-up with the same Clerk id restores it. */
  softDelete(): Promise<void>;
  /** With the quota that it had. */
  restore(): Promise<void>;
}

const SHOWN = Object.keys(ACCOUNT_FIELDS);

export function userMethods(store: Store): UserMethods & ThisType<UserDocument> {
  const now = () => store.clock.now();
  const posted = async (user: UserDocument, posting: Posting): Promise<Outcome> => {
    const outcome = await post(store, { _id: user._id }, posting);
    refresh(user, outcome.account, SHOWN);
    return outcome;
  };
  return {
    canGenerateImages(credits = 1) {
      return !this.isDeleted && quotaOf(this, now()).remaining >= credits;
    },
    async incrementUsage(credits = 1) {
      assertCredits(credits);
      const outcome = await posted(this, { id: new Types.ObjectId(), kind: 'charge', credits });
      if (outcome.result === 'refused') throw new InsufficientQuotaError(quotaOf(outcome.account, now()));
      await tellIfReached(store, outcome.account);
    },
    async resetMonthlyQuota() {
      const act = { action: 'quota.reset', actor: LIBRARY } as const;
      await posted(this, { id: new Types.ObjectId(), kind: 'reset', ifPeriod: this.periodNumber, act });
    },
    getRemainingQuota() {
      return quotaOf(this, now()).remaining;
    },
    async updateSubscription(tier) {
      assertTier(tier);
      const act = { action: 'tier.changed', actor: LIBRARY } as const;
      await posted(this, { id: new Types.ObjectId(), kind: 'terms', tier, act });
    },
    getSubscriptionDetails() {
      return store.models.Subscription.findByUserId(this._id);
    },
    async softDelete() {
      const act = { action: 'user.deleted', actor: LIBRARY } as const;
      await posted(this, { id: new Types.ObjectId(), kind: 'deletion', act });
    },
    async restore() {
      const act = { action: 'user.restored', actor: LIBRARY } as const;
      await posted(this, { id: new Types.ObjectId(), kind: 'restoration', act });
    },
  };
}

export interface UserStatics {
  /** The user of that Clerk id, or null; a deleted one is not found. */
  findByClerkId(clerkUserId: string): Promise<UserDocument | null>;
  /** Users who are not deleted. */
  getActiveUsersCount(): Promise<number>;
  /** Users whose reset date has passed. Their quota is right without: the next charge or a job resets it. */
  getUsersToResetQuota(): Promise<UserDocument[]>;
}

export function userStatics(store: Store): UserStatics & ThisType<UserModelType> {
  return {
    findByClerkId(clerkUserId) {
      return this.findOne({ clerkUserId }).exec();
    },
    getActiveUsersCount() {
      return this.countDocuments().exec();
    },
    getUsersToResetQuota() {
      return this.find({ quotaResetDate: { $lte: store.clock.now() } }).exec();
    },
  };
}
