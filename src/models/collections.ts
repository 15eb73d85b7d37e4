import type { Collection, Types } from 'mongoose';
import type { AuditEntry } from './AuditEntry.ts';
import type { Backfill } from './Backfill.ts';
import type { BillingAccount } from './BillingAccount.ts';
import type { ImageGeneration } from './ImageGeneration.ts';
import type { JobState } from './JobState.ts';
import type { LedgerEntry } from './LedgerEntry.ts';
import type { RateLimit } from './RateLimit.ts';
import type { Subscription } from './Subscription.ts';
import type { OpenAct } from './statements/acts.ts';
import type { Store } from './store.ts';
import type { UsageDay } from './UsageDay.ts';
import type { UsageTotal } from './UsageTotal.ts';
import type { User } from './User.ts';
import type { WebhookDelivery } from './WebhookDelivery.ts';
import type { WebhookEndpoint } from './WebhookEndpoint.ts';
import type { WebhookEvent } from './WebhookEvent.ts';

/**
 * The driver's collections, for statements that must see deleted documents or run on every request: what reaches them is
 * already typed or parsed, and Mongoose's casting would cost more than it proves. They leave nothing out by themselves.
 */
export const usersOf = ({ models: { User } }: Store): Collection<User> =>
  User.db.collection<User>(User.collection.collectionName);

export const generationsOf = ({ models: { ImageGeneration } }: Store): Collection<ImageGeneration> =>
  ImageGeneration.db.collection<ImageGeneration>(ImageGeneration.collection.collectionName);

export const ledgerOf = ({ models: { LedgerEntry } }: Store): Collection<LedgerEntry> =>
  LedgerEntry.db.collection<LedgerEntry>(LedgerEntry.collection.collectionName);

export const auditOf = ({ models: { AuditEntry } }: Store): Collection<AuditEntry> =>
  AuditEntry.db.collection<AuditEntry>(AuditEntry.collection.collectionName);

export const subscriptionsOf = ({ models: { Subscription } }: Store): Collection<Subscription> =>
  Subscription.db.collection<Subscription>(Subscription.collection.collectionName);

export const ACT_HOLDER_MODELS = ['ImageGeneration', 'Subscription', 'WebhookEndpoint'] as const;
export type ActHolderModel = (typeof ACT_HOLDER_MODELS)[number];

/** Documents that hold acts for the audit trail until it has them. */
export const actHoldersOf = ({ models }: Store, name: ActHolderModel): Collection<ActHolder> =>
  models[name].db.collection<ActHolder>(models[name].collection.collectionName);

export interface ActHolder {
  _id: Types.ObjectId;
  openActs?: OpenAct[];
}

export const jobStatesOf = ({ models: { JobState } }: Store): Collection<JobState> =>
  JobState.db.collection<JobState>(JobState.collection.collectionName);

export const rateLimitsOf = ({ models: { RateLimit } }: Store): Collection<RateLimit> =>
  RateLimit.db.collection<RateLimit>(RateLimit.collection.collectionName);

export const usageDaysOf = ({ models: { UsageDay } }: Store): Collection<UsageDay> =>
  UsageDay.db.collection<UsageDay>(UsageDay.collection.collectionName);

export const usageTotalsOf = ({ models: { UsageTotal } }: Store): Collection<UsageTotal> =>
  UsageTotal.db.collection<UsageTotal>(UsageTotal.collection.collectionName);

export const endpointsOf = ({ models: { WebhookEndpoint } }: Store): Collection<WebhookEndpoint> =>
  WebhookEndpoint.db.collection<WebhookEndpoint>(WebhookEndpoint.collection.collectionName);

export const deliveriesOf = ({ models: { WebhookDelivery } }: Store): Collection<WebhookDelivery> =>
  WebhookDelivery.db.collection<WebhookDelivery>(WebhookDelivery.collection.collectionName);
export const webhookEventsOf = ({ models: { WebhookEvent } }: Store): Collection<WebhookEvent> =>
  WebhookEvent.db.collection<WebhookEvent>(WebhookEvent.collection.collectionName);

export const billingAccountsOf = ({ models: { BillingAccount } }: Store): Collection<BillingAccount> =>
  BillingAccount.db.collection<BillingAccount>(BillingAccount.collection.collectionName);

export const backfillsOf = ({ models: { Backfill } }: Store): Collection<Backfill> =>
  Backfill.db.collection<Backfill>(Backfill.collection.collectionName);
