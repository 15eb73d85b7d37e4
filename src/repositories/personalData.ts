import type { Types } from 'mongoose';
import {
  auditOf,
  billingAccountsOf,
  deliveriesOf,
  endpointsOf,
  generationsOf,
  ledgerOf,
  subscriptionsOf,
  usersOf,
  webhookEventsOf,
} from '../models/collections.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';
import type { UserReference } from '../models/statements/accounts.ts';
import { movedTo, owedRefund, PLACE } from '../models/statements/moves.ts';
import type { Store } from '../models/store.ts';
import type { User } from '../models/User.ts';
import { recordActsOf } from './audit.ts';
import { everyGenerationOf } from './generations.ts';

/** What is kept about one person, and how it is made to tell nothing of them. */

/** The user, deleted or not. */
export function findPerson(store: Store, user: UserReference): Promise<User | null> {
  return usersOf(store).findOne(user);
}

const ERASED_PROMPT = '[erased]';

/** Generations of the user that still say something, oldest first. */
export function tellingGenerations(store: Store, userId: Types.ObjectId, limit: number): Promise<ImageGeneration[]> {
  return generationsOf(store)
    .find({ ...everyGenerationOf(userId), prompt: { $ne: ERASED_PROMPT } })
    .limit(limit)
    .toArray();
}

/**
 * Takes prompts, pictures and metadata out of these generations and deletes them. What had not come to its end ends here: a
 * waiting one is cancelled, the lease of one that is processing is void, and both owe their refund. One that has changed since
 * it was read, and may have other pictures now, is left to the next look.
 *
 * @returns the generations as they are now
 */
export async function eraseGenerations(store: Store, read: readonly ImageGeneration[]): Promise<ImageGeneration[]> {
  const now = store.clock.now();
  const underWay = { $in: ['$status', ['pending', 'processing']] };
  const status = {
    $switch: {
      // biome-ignore lint/suspicious/noThenProperty: the word that $switch takes
      branches: [{ case: { $eq: ['$status', 'pending'] }, then: 'cancelled' }],
      default: { $cond: [{ $eq: ['$status', 'processing'] }, 'failed', '$status'] },
    },
  };
  await generationsOf(store).updateMany({ $or: read.map(({ _id, updatedAt }) => ({ _id, updatedAt })) }, [
    {
      $set: {
        prompt: ERASED_PROMPT,
        metadata: {},
        outputImages: [],
        isDeleted: true,
        deletedAt: { $ifNull: ['$deletedAt', now] },
        updatedAt: now,
        status,
        ...movedTo(status),
        failedAt: { $cond: [{ $eq: ['$status', 'processing'] }, now, '$failedAt'] },
        owes: { $cond: [underWay, owedRefund().owes, '$owes'] },
      },
    },
    { $unset: ['negativePrompt', 'sourceImageUrl', 'errorMessage', 'lease', ...PLACE, 'counted', 'announcements'] },
  ]);
  return generationsOf(store)
    .find({ _id: { $in: read.map(({ _id }) => _id) } })
    .toArray();
}

/** The sums of the ledger stay; the reasons, which are free text, go. */
export async function eraseReasons(store: Store, userId: Types.ObjectId): Promise<void> {
  await ledgerOf(store).updateMany({ userId }, { $unset: { reason: 1 } });
}

/** How others name the user: Clerk, and Stripe as a customer. */
async function subjectsOf(store: Store, { _id: userId, clerkUserId }: User): Promise<string[]> {
  const account = await billingAccountsOf(store).findOne({ _id: userId });
  const subscriptions = await subscriptionsOf(store)
    .find({ userId }, { projection: { stripeCustomerId: 1 } })
    .toArray();
  const customers = [account, ...subscriptions].map((one) => one?.stripeCustomerId);
  return [clerkUserId, ...customers.filter((customer) => customer !== undefined)];
}

/** What Clerk and Stripe have told of the user goes, and the customer's name with it. Before the subscriptions are erased, which name customers too. */
export async function eraseTold(store: Store, user: User): Promise<void> {
  await webhookEventsOf(store).deleteMany({ subject: { $in: await subjectsOf(store, user) } });
  await billingAccountsOf(store).deleteOne({ _id: user._id });
}

/** Stripe's ids and words go; that there was a subscription, and when, stays. */
export async function eraseSubscriptions({ models: { Subscription } }: Store, userId: Types.ObjectId): Promise<void> {
  await Subscription.updateMany(
    { userId },
    { $unset: { stripeCustomerId: 1, stripeSubscriptionId: 1, unconfirmed: 1 }, $set: { metadata: {} } },
  ).setOptions({ withDeleted: true });
}

/**
 * Endpoints of the user go first and deliveries last: an event that is published at the same time finds no endpoint, and the
 * delivery of one that was found goes at its first attempt.
 */
export async function eraseWebhooks(store: Store, userId: Types.ObjectId): Promise<void> {
  do {
    // What was done to an endpoint meanwhile is not lost with it.
    await recordActsOf(store, userId);
    await endpointsOf(store).deleteMany({ userId, openActs: { $exists: false } });
  } while (await endpointsOf(store).findOne({ userId }, { projection: { _id: 1 } }));
  await deliveriesOf(store).deleteMany({ userId });
}

/** The audit trail keeps what was done, by the pseudonym. */
export async function pseudonymizeActor(store: Store, clerkUserId: string, pseudonym: string): Promise<void> {
  await auditOf(store).updateMany({ 'actor.id': clerkUserId }, { $set: { 'actor.id': pseudonym } });
}

/** All that is kept about the user. */
export interface PersonalData {
  user: User;
  subscriptions: unknown[];
  generations: unknown[];
  ledger: unknown[];
  audit: unknown[];
  webhookEndpoints: unknown[];
  webhookDeliveries: unknown[];
  billingAccounts: unknown[];
  webhookEvents: unknown[];
}

export async function personalDataOf(store: Store, user: User): Promise<PersonalData> {
  const { _id: userId } = user;
  const [subscriptions, generations, ledger, audit, webhookEndpoints, webhookDeliveries] = await Promise.all([
    store.models.Subscription.find({ userId }).setOptions({ withDeleted: true }).lean(),
    generationsOf(store).find(everyGenerationOf(userId)).toArray(),
    ledgerOf(store).find({ userId }).sort({ sequence: 1 }).toArray(),
    auditOf(store).find({ 'subject.id': userId }).toArray(),
    // Secrets tell nothing of a person, and open what they sign.
    endpointsOf(store)
      .find({ userId }, { projection: { secrets: 0, fieldEncryption: 0 } })
      .toArray(),
    deliveriesOf(store).find({ userId }).toArray(),
  ]);
  const subjects = await subjectsOf(store, user);
  const [billingAccounts, webhookEvents] = await Promise.all([
    billingAccountsOf(store).find({ _id: userId }).toArray(),
    webhookEventsOf(store)
      .find({ subject: { $in: subjects } }, { projection: { lease: 0 } })
      .toArray(),
  ]);
  return {
    user,
    subscriptions,
    generations,
    ledger,
    audit,
    webhookEndpoints,
    webhookDeliveries,
    billingAccounts,
    webhookEvents,
  };
}
