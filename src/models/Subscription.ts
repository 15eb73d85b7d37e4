import { type Connection, type Model, Schema, type Types } from 'mongoose';
import type { Clock } from '../domain/clock.ts';
import { LIVE_STATUSES, SUBSCRIPTION_STATUSES, type SubscriptionStatus } from '../domain/subscription.ts';
import { SUBSCRIPTION_TIERS, type SubscriptionTier } from '../domain/tiers.ts';
import { type SoftDeletable, softDelete } from './plugins/softDelete.ts';

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
  createdAt: Date;
  updatedAt: Date;
}

export type SubscriptionModelType = Model<Subscription>;

export function subscriptionSchema(clock: Clock): Schema<Subscription, SubscriptionModelType> {
  const schema = new Schema<Subscription, SubscriptionModelType>(
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
    },
    { collection: 'subscriptions', minimize: false, timestamps: { currentTime: () => clock.now() } },
  );
  schema.plugin(softDelete);
  schema.index(
    { userId: 1 },
    {
      unique: true,
      name: 'one_live_subscription_per_user',
      partialFilterExpression: { isDeleted: false, status: { $in: [...LIVE_STATUSES] } },
    },
  );
  schema.index({ userId: 1, createdAt: -1 });
  schema.index({ stripeSubscriptionId: 1 }, { unique: true, sparse: true });
  schema.index({ stripeCustomerId: 1 }, { sparse: true });
  schema.index({ tier: 1, createdAt: -1 });
  schema.index({ status: 1, currentPeriodEnd: 1 });
  return schema;
}

export function registerSubscription(connection: Connection, clock: Clock): SubscriptionModelType {
  return connection.model<Subscription, SubscriptionModelType>('Subscription', subscriptionSchema(clock));
}
