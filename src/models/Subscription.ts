import { type Connection, type Model, Schema, type Types } from 'mongoose';
import { LIVE_STATUSES, SUBSCRIPTION_STATUSES, type SubscriptionStatus } from '../domain/subscription.ts';
import { SUBSCRIPTION_TIERS, type SubscriptionTier } from '../domain/tiers.ts';
import {
  type SubscriptionMethods,
  type SubscriptionStatics,
  subscriptionMethods,
  subscriptionStatics,
} from './methods/subscription.ts';
import { encryptedFields } from './plugins/encryptedFields.ts';
import { type SoftDeletable, softDelete } from './plugins/softDelete.ts';
import type { OpenAct } from './statements/acts.ts';
import type { Store } from './store.ts';

export interface Subscription extends SoftDeletable {
  _id: Types.ObjectId;
  userId: Types.ObjectId;
  tier: SubscriptionTier;
  status: SubscriptionStatus;
  stripeCustomerId?: string;
  stripeSubscriptionId?: string;
  currentPeriodStart: Date;
  currentPeriodEnd: Date;
  trialStart?: Date;
  trialEnd?: Date;
  cancelAtPeriodEnd: boolean;
  metadata: Record<string, unknown>;
  /** The tier from the end of the paid period on. */
  pendingTier?: SubscriptionTier;
  /** Counts the writes that may change what the user is entitled to. */
  revision: number;
  /** Since when the user's account does not know of the latest such write. */
  unapplied?: Date;
  /** The start of the unpaid period whose grace has run out, once the account has been told so. */
  graceEndedFor?: Date;
  /** The fingerprint of what Stripe said when this was written; absent where something else has written since. */
  synced?: string;
  /** A sync has written this, and no look at Stripe has confirmed it yet: when somebody else is to look. */
  unconfirmed?: Date;
  /** When a reconciliation last met it in Stripe's list. */
  listedAt?: Date;
  /** It is to end at Stripe, since the account was deleted: which deletion owes that, and when it is tried next. */
  ending?: { id: string; dueAt: Date };
  openActs?: OpenAct[];
  createdAt: Date;
  updatedAt: Date;
}

export type SubscriptionModelType = Model<Subscription, object, SubscriptionMethods> & SubscriptionStatics;

export function subscriptionSchema(store: Store): Schema<Subscription, SubscriptionModelType, SubscriptionMethods> {
  const { clock } = store;
  const schema = new Schema<Subscription, SubscriptionModelType, SubscriptionMethods>(
    {
      userId: { type: Schema.Types.ObjectId, ref: 'User', required: true },
      tier: { type: String, enum: SUBSCRIPTION_TIERS, required: true },
      status: { type: String, enum: SUBSCRIPTION_STATUSES, required: true },
      stripeCustomerId: { type: String, maxlength: 255 },
      stripeSubscriptionId: { type: String, maxlength: 255 },
      currentPeriodStart: { type: Date, required: true, default: () => clock.now() },
      currentPeriodEnd: { type: Date, required: true },
      trialStart: { type: Date },
      trialEnd: { type: Date },
      cancelAtPeriodEnd: { type: Boolean, default: false, required: true },
      metadata: { type: Schema.Types.Mixed, default: () => ({}) },
      pendingTier: { type: String, enum: SUBSCRIPTION_TIERS },
      revision: { type: Number, default: 1, required: true },
      unapplied: { type: Date },
      graceEndedFor: { type: Date },
      synced: { type: String },
      unconfirmed: { type: Date },
      listedAt: { type: Date },
      ending: { type: new Schema({ id: String, dueAt: Date }, { _id: false }) },
      openActs: { type: Schema.Types.Mixed },
    },
    { collection: 'subscriptions', minimize: false, timestamps: { currentTime: () => clock.now() } },
  );
  schema.plugin(softDelete);
  schema.method(subscriptionMethods(store));
  schema.static({ ...subscriptionStatics(store) });
  schema.plugin(encryptedFields, {
    fields: { stripeCustomerId: 'indexed', stripeSubscriptionId: 'unique', metadata: 'sealed' },
  });
  schema.index(
    { userId: 1 },
    {
      unique: true,
      name: 'one_live_subscription_per_user',
      partialFilterExpression: { isDeleted: false, status: { $in: [...LIVE_STATUSES] } },
    },
  );
  schema.index({ userId: 1, createdAt: -1 });
  schema.index({ tier: 1, createdAt: -1 });
  schema.index({ status: 1, currentPeriodEnd: 1 });
  // Holds all that analytics asks of subscriptions, so that counting them reads no document.
  schema.index({ isDeleted: 1, status: 1, currentPeriodStart: 1 });
  // What a crash left between a subscription and what has to follow it.
  schema.index({ unapplied: 1 }, { sparse: true });
  schema.index({ unconfirmed: 1 }, { sparse: true });
  schema.index({ 'ending.dueAt': 1 }, { sparse: true });
  schema.index({ 'openActs.at': 1 }, { sparse: true });
  return schema;
}

export function registerSubscription(connection: Connection, store: Store): SubscriptionModelType {
  return connection.model<Subscription, SubscriptionModelType>('Subscription', subscriptionSchema(store));
}
