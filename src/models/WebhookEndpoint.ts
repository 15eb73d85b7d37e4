import { type Connection, type Model, Schema, type Types } from 'mongoose';
import type { SigningSecret } from '../domain/webhookSignature.ts';
import { DISABLED_REASONS, type DisabledReason, WEBHOOK_EVENTS, type WebhookEvent } from '../domain/webhooks.ts';
import { encryptedFields } from './plugins/encryptedFields.ts';
import { type SoftDeletable, softDelete } from './plugins/softDelete.ts';
import type { OpenAct } from './statements/acts.ts';
import type { Store } from './store.ts';

/** Where a user wants to be told of what happens to their generations. */
export interface WebhookEndpoint extends SoftDeletable {
  _id: Types.ObjectId;
  userId: Types.ObjectId;
  /** One of so many places that a user has: no two of their endpoints have the same, so that there are never more. */
  slot: number;
  /** Encrypted at rest: addresses of hooks often carry a secret of their own. */
  url: string;
  events: WebhookEvent[];
  /** The present one first. Encrypted at rest, as a whole. */
  secrets: SigningSecret[];
  enabled: boolean;
  /** Present exactly while it is disabled. */
  disabledReason?: DisabledReason;
  disabledAt?: Date;
  /** Deliveries that failed in every attempt since the last that succeeded. */
  failedDeliveries: Types.ObjectId[];
  /** Where this server was reached when the endpoint was made or changed, for the addresses of pictures that it keeps. */
  origin: string;
  /** Counts changes by its owner, so that one that was made from an older state is noticed. */
  revision: number;
  openActs?: OpenAct[];
  createdAt: Date;
  updatedAt: Date;
}

export type WebhookEndpointModelType = Model<WebhookEndpoint>;

function webhookEndpointSchema({ clock }: Store): Schema<WebhookEndpoint, WebhookEndpointModelType> {
  const schema = new Schema<WebhookEndpoint, WebhookEndpointModelType>(
    {
      userId: { type: Schema.Types.ObjectId, ref: 'User', required: true, immutable: true },
      slot: { type: Number, required: true, immutable: true, min: 0 },
      url: { type: String, required: true },
      events: { type: [{ type: String, enum: WEBHOOK_EVENTS }], required: true },
      secrets: { type: Schema.Types.Mixed, required: true },
      enabled: { type: Boolean, required: true, default: true },
      disabledReason: { type: String, enum: DISABLED_REASONS },
      disabledAt: { type: Date },
      failedDeliveries: { type: [Schema.Types.ObjectId], default: [] },
      origin: { type: String, required: true },
      revision: { type: Number, required: true, default: 1 },
      openActs: { type: Schema.Types.Mixed },
    },
    { collection: 'webhookendpoints', timestamps: { currentTime: () => clock.now() } },
  );
  schema.plugin(softDelete);
  schema.plugin(encryptedFields, { fields: { url: 'sealed', secrets: 'sealed' } });
  schema.index({ userId: 1, slot: 1 }, { unique: true, partialFilterExpression: { isDeleted: false } });
  schema.index({ userId: 1 });
  schema.index({ deletedAt: 1 }, { sparse: true });
  schema.index({ 'openActs.at': 1 }, { sparse: true });
  return schema;
}

export function registerWebhookEndpoint(connection: Connection, store: Store): WebhookEndpointModelType {
  return connection.model<WebhookEndpoint, WebhookEndpointModelType>('WebhookEndpoint', webhookEndpointSchema(store));
}
