import { type Connection, type Model, Schema, type Types } from 'mongoose';
import { SUBSCRIPTION_TIERS, type SubscriptionTier } from '../domain/tiers.ts';
import { encryptedFields } from './plugins/encryptedFields.ts';

/** The one Checkout that a user may have open. It stands here before Stripe is asked for it, so that a crash loses none. */
export interface OpenCheckout {
  /** Names it for ever: what asks Stripe for the session carries it as idempotency key. */
  id: string;
  tier: SubscriptionTier;
  startedAt: Date;
}

/**
 * What Stripe knows a user as. It stands beside the user, and not in them, so that a charge does not carry it along. It goes with its
 * user, and has no soft delete of its own.
 */
export interface BillingAccount {
  /** The user's id. */
  _id: Types.ObjectId;
  stripeCustomerId?: string;
  checkout?: OpenCheckout;
  /** The checkout is to expire, since the account was deleted: which deletion owes that, and when it is tried next. */
  ending?: { id: string; dueAt: Date };
}

export type BillingAccountModelType = Model<BillingAccount>;

function billingAccountSchema(): Schema<BillingAccount, BillingAccountModelType> {
  const checkout = new Schema<OpenCheckout>(
    {
      id: { type: String, required: true },
      tier: { type: String, enum: SUBSCRIPTION_TIERS, required: true },
      startedAt: { type: Date, required: true },
    },
    { _id: false },
  );
  const schema = new Schema<BillingAccount, BillingAccountModelType>(
    {
      _id: { type: Schema.Types.ObjectId, required: true },
      stripeCustomerId: { type: String, maxlength: 255 },
      checkout,
      ending: { type: new Schema({ id: String, dueAt: Date }, { _id: false }) },
    },
    { collection: 'billingaccounts' },
  );
  schema.index({ 'ending.dueAt': 1 }, { sparse: true });
  schema.plugin(encryptedFields, { fields: { stripeCustomerId: 'unique' } });
  return schema;
}

export function registerBillingAccount(connection: Connection): BillingAccountModelType {
  return connection.model<BillingAccount, BillingAccountModelType>('BillingAccount', billingAccountSchema());
}
