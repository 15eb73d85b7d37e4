import { Types } from 'mongoose';
import { readEnv } from '../config/env.ts';
import type { Log } from '../config/log.ts';
import { LIBRARY } from '../domain/audit.ts';
import { systemClock } from '../domain/clock.ts';
import { assertCredits } from '../domain/credits.ts';
import { ArtifexError } from '../domain/errors.ts';
import { type Idempotency, idempotencyOf } from '../domain/idempotency.ts';
import { type Quota, quotaOf } from '../domain/quota.ts';
import type { SubscriptionStatus } from '../domain/subscription.ts';
import type { SubscriptionTier } from '../domain/tiers.ts';
import { defaultModels } from '../models/index.ts';
import type { FindByUserOptions, GenerationDocument } from '../models/methods/generation.ts';
import type { SubscriptionDocument } from '../models/methods/subscription.ts';
import type { UserReference } from '../models/statements/accounts.ts';
import { onQuotaAlert, type QuotaAlertListener } from '../models/statements/quotaAlerts.ts';
import type { Store } from '../models/store.ts';
import type { User } from '../models/User.ts';
import { resetQuota } from '../repositories/accounts.ts';
import { type SystemAnalytics, systemAnalytics, type UserAnalytics, userAnalytics } from '../repositories/analytics.ts';
import { chargingAlone } from '../repositories/charging.ts';
import type { GenerationRequest } from '../repositories/generations.ts';
import type { PersonalData } from '../repositories/personalData.ts';
import { settle } from '../repositories/settlement.ts';
import { getUser } from '../repositories/users.ts';
import { diskStorage } from '../storage/disk.ts';
import { chargeGeneration } from '../workflows/chargeGeneration.ts';
import { type Ages, type Cleanup, performMaintenanceCleanup } from '../workflows/cleanup.ts';
import { type Consumption, consumeQuota } from '../workflows/consumeQuota.ts';
import { type Context, NO_QUEUE } from '../workflows/context.ts';
import { createGeneration } from '../workflows/createGeneration.ts';
import { eraseUser, exportUser } from '../workflows/personalData.ts';

/** The user's id in the database, or Clerk's. */
export type UserId = Types.ObjectId | string;

export interface QuotaCheck extends Quota {
  /** Advice: only a charge decides. */
  allowed: boolean;
  /** Credits that were asked about. */
  credits: number;
}

export interface SubscriptionValidation {
  /** Whether the user's tier is what their subscription grants. */
  isValid: boolean;
  /** Whether a subscription grants a tier now. */
  isActive: boolean;
  /** The user's tier. */
  tier: SubscriptionTier;
  status: SubscriptionStatus | null;
  currentPeriodEnd: Date | null;
  daysUntilRenewal: number | null;
  cancelAtPeriodEnd: boolean;
  pendingTier: SubscriptionTier | null;
  subscription: SubscriptionDocument | null;
}

const OBJECT_ID = /^[0-9a-f]{24}$/i;

/** A library leaves it to its caller what to say. */
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * The data layer in a handful of calls, over the models of one connection. Whatever moves credits has been written to the
 * ledger when its call resolves.
 *
 * @param removePicture removes a picture from storage
 * @param agesOfCleanup what a cleanup goes by that is told none
 * @throws {UserNotFoundError} `'User not found'`, from every function that takes a user
 * @throws {ArtifexError} `account_deleted`, from every function that takes a user, if they have been deleted
 */
export function databaseUtils(
  store: Store,
  removePicture: (name: string) => Promise<void>,
  agesOfCleanup: () => Partial<Ages> = () => ({}),
) {
  const ctx: Context = {
    ...store,
    log: quiet,
    charging: chargingAlone(store),
    settler: { notice() {} },
    queue: NO_QUEUE,
    announcer: { notice() {} },
    courier: { wake() {} },
  };

  async function settled<T>(userId: UserId, work: (user: User) => Promise<T>): Promise<T> {
    const user = await getUser(store, referenceOf(userId));
    try {
      return await work(user);
    } finally {
      // What was charged stands in the account by then. Failing to copy it would not undo that: it is left to the next settlement.
      await settle(store, [user._id]).catch(() => {});
    }
  }

  return {
    /**
     * Tells of every user who reaches 80 or 100 percent of their credits by a charge over this connection, once a period each.
     *
     * @returns ends it
     */
    onQuotaAlert(listener: QuotaAlertListener): () => void {
      return onQuotaAlert(store, listener);
    },

    /** Whether the user may spend so many credits now. */
    async checkUserQuota(userId: UserId, creditsRequired = 1): Promise<QuotaCheck> {
      assertCredits(creditsRequired);
      const quota = quotaOf(await getUser(store, referenceOf(userId)), store.clock.now());
      return { ...quota, allowed: quota.remaining >= creditsRequired, credits: creditsRequired };
    },

    /**
     * Charges credits: once per key, once per generation, and at every call without either.
     *
     * @throws {InsufficientQuotaError} `'Insufficient quota remaining'`
     * @throws {ArtifexError} `idempotency_key_reused` when the key came with other credits, `not_found` without that generation
     */
    consumeUserQuota(
      userId: UserId,
      credits: number,
      { idempotencyKey, generationId, reason }: ConsumeOptions = {},
    ): Promise<Consumption> {
      assertCredits(credits);
      return settled(userId, async (user) => {
        const reference = { _id: user._id };
        if (generationId)
          return chargeGeneration(ctx, reference, { credits, generationId: generationIdOf(generationId) });
        const idempotency = await keyOf(user, idempotencyKey, 'consumeUserQuota', { credits, reason });
        return consumeQuota(ctx, reference, { credits, reason }, idempotency);
      });
    },

    /** Begins a new month of credits at once. */
    resetUserQuota(userId: UserId): Promise<Quota> {
      return settled(userId, async ({ _id }) => quotaOf(await resetQuota(store, { _id }, LIBRARY), store.clock.now()));
    },

    /** What the user's subscription says, and whether the user has what it grants. */
    async validateUserSubscription(userId: UserId): Promise<SubscriptionValidation> {
      const user = await getUser(store, referenceOf(userId));
      const subscription = await store.models.Subscription.findByUserId(user._id);
      const isActive = subscription?.isActive() ?? false;
      const granted = subscription && isActive ? subscription.tier : 'free';
      return {
        isValid: user.subscriptionTier === granted,
        isActive,
        tier: user.subscriptionTier,
        status: subscription?.status ?? null,
        currentPeriodEnd: subscription?.currentPeriodEnd ?? null,
        daysUntilRenewal: subscription?.getDaysUntilRenewal() ?? null,
        cancelAtPeriodEnd: subscription?.cancelAtPeriodEnd ?? false,
        pendingTier: subscription?.pendingTier ?? null,
        subscription,
      };
    },

    /**
     * Raises the user's subscription to a higher tier, at once.
     *
     * @throws {ArtifexError} `conflict` without a subscription, or when the tier is not higher
     */
    async upgradeUserSubscription(userId: UserId, tier: SubscriptionTier): Promise<SubscriptionDocument> {
      return settled(userId, async (user) => {
        const subscription = await store.models.Subscription.findByUserId(user._id);
        if (!subscription) throw new ArtifexError('conflict', 'There is no subscription to upgrade.');
        await subscription.upgrade(tier);
        return subscription;
      });
    },

    /**
     * Charges for a generation and records it.
     *
     * @throws {InsufficientQuotaError} `'Insufficient quota remaining'`
     * @throws {mongoose.Error.ValidationError}
     */
    async createImageGeneration(
      { userId, ...request }: GenerationRequest & { userId: UserId },
      { idempotencyKey }: { idempotencyKey?: string } = {},
    ): Promise<GenerationDocument> {
      return settled(userId, async (user) => {
        const idempotency = await keyOf(user, idempotencyKey, 'createImageGeneration', request);
        const { generation } = await createGeneration(ctx, { _id: user._id }, request, idempotency);
        return store.models.ImageGeneration.hydrate(generation);
      });
    },

    /** The user's generations, newest first. */
    async getImageGenerationHistory(userId: UserId, options: FindByUserOptions = {}): Promise<GenerationDocument[]> {
      const { _id } = await getUser(store, referenceOf(userId));
      return store.models.ImageGeneration.findByUser(_id, options);
    },

    /**
     * What the user asked for on the last `days` calendar days, today included, as it is at this moment.
     *
     * @param timezone IANA name of the calendar
     * @throws {ValidationFailedError}
     */
    getUserAnalytics(userId: UserId, days = 30, timezone = 'UTC'): Promise<UserAnalytics> {
      return userAnalytics(store, referenceOf(userId), { days, timezone });
    },

    /** What everybody asked for, likewise. */
    getSystemAnalytics(days = 30, timezone = 'UTC'): Promise<SystemAnalytics> {
      return systemAnalytics(store, { days, timezone });
    },

    /**
     * Removes for good what is old and settled, and ends subscriptions that have long run out. It may be cut off and run again.
     */
    performMaintenanceCleanup(options: Partial<Ages> = {}): Promise<Cleanup> {
      return performMaintenanceCleanup(store, { ...agesOfCleanup(), ...options, removePicture, actor: LIBRARY });
    },

    /**
     * Erases what tells who the user is and what they made, pictures included; the sums of the ledger stay. Deleted users too.
     *
     * @throws {ArtifexError} `conflict` while they have a subscription at Stripe
     */
    eraseUser(userId: UserId): Promise<void> {
      return eraseUser(store, referenceOf(userId), { removePicture, actor: LIBRARY });
    },

    /** Everything that is kept about the user, deleted or not, ready for `JSON.stringify`. */
    exportUser(userId: UserId): Promise<PersonalData> {
      return exportUser(store, referenceOf(userId), LIBRARY);
    },
  };
}

export interface ConsumeOptions {
  idempotencyKey?: string;
  /** The recorded generation that is paid for. */
  generationId?: Types.ObjectId | string;
  reason?: string;
}

/** Over the models of `@/models`, which `connectDB` connects. */
export const DatabaseUtils = databaseUtils(
  { models: defaultModels, clock: systemClock() },
  (name) => diskStorage(readEnv(process.env).storage.directory).remove(name),
  () => readEnv(process.env).cleanup,
);

function referenceOf(userId: UserId): UserReference {
  if (userId instanceof Types.ObjectId) return { _id: userId };
  return OBJECT_ID.test(userId) ? { _id: new Types.ObjectId(userId) } : { clerkUserId: userId };
}

function generationIdOf(id: Types.ObjectId | string): Types.ObjectId {
  if (id instanceof Types.ObjectId || OBJECT_ID.test(id)) return new Types.ObjectId(id);
  throw new ArtifexError('not_found', 'There is no such generation.');
}

function keyOf(
  { clerkUserId }: User,
  key: string | undefined,
  call: string,
  body: object,
): Promise<Idempotency | undefined> {
  return idempotencyOf(clerkUserId, key, { route: `DatabaseUtils.${call}`, body });
}
