import { type Connection, type Model, Schema, type Types } from 'mongoose';
import {
  DELIVERY_ERRORS,
  DELIVERY_STATUSES,
  DELIVERY_TYPES,
  type DeliveryError,
  type DeliveryStatus,
  type DeliveryType,
} from '../domain/webhooks.ts';
import type { GenerationSnapshot } from './ImageGeneration.ts';

/**
 * One event on its way to one endpoint: exactly one document, however often the event is published. It is written by machines,
 * kept for a month, and therefore has no soft delete.
 */
export interface WebhookDelivery {
  _id: Types.ObjectId;
  userId: Types.ObjectId;
  endpointId: Types.ObjectId;
  /** `webhook-id`: the same in every attempt and every replay. */
  eventId: string;
  type: DeliveryType;
  /** When it happened. */
  eventAt: Date;
  /** The generation as it was when it happened; a ping has none. */
  data?: GenerationSnapshot;
  status: DeliveryStatus;
  /** All there were. */
  attempts: number;
  /** Those since it was published or replayed; they decide how long is waited, and when it is enough. */
  tries: number;
  /** When it is due; while an attempt runs, when that counts as lost. Present exactly while it is pending. */
  nextAttemptAt?: Date;
  /** Fences an attempt off once its time is over: every attempt has another one. */
  claim?: string;
  lastAttemptAt?: Date;
  /** The HTTP status of the last attempt that was answered at all. */
  lastStatus?: number;
  lastError?: DeliveryError;
  createdAt: Date;
  endedAt?: Date;
  /** From then on it may be removed. */
  expiresAt: Date;
}

export type WebhookDeliveryModelType = Model<WebhookDelivery>;

function webhookDeliverySchema(): Schema<WebhookDelivery, WebhookDeliveryModelType> {
  const schema = new Schema<WebhookDelivery, WebhookDeliveryModelType>(
    {
      userId: { type: Schema.Types.ObjectId, ref: 'User', required: true, immutable: true },
      endpointId: { type: Schema.Types.ObjectId, ref: 'WebhookEndpoint', required: true, immutable: true },
      eventId: { type: String, required: true, immutable: true },
      type: { type: String, enum: DELIVERY_TYPES, required: true, immutable: true },
      eventAt: { type: Date, required: true, immutable: true },
      data: { type: Schema.Types.Mixed, immutable: true },
      status: { type: String, enum: DELIVERY_STATUSES, required: true },
      attempts: { type: Number, required: true, min: 0 },
      tries: { type: Number, required: true, min: 0 },
      nextAttemptAt: { type: Date },
      claim: { type: String },
      lastAttemptAt: { type: Date },
      lastStatus: { type: Number },
      lastError: { type: String, enum: DELIVERY_ERRORS },
      createdAt: { type: Date, required: true, immutable: true },
      endedAt: { type: Date },
      expiresAt: { type: Date, required: true },
    },
    { collection: 'webhookdeliveries' },
  );
  schema.index({ endpointId: 1, eventId: 1 }, { unique: true });
  schema.index({ endpointId: 1, createdAt: -1, _id: -1 });
  schema.index({ endpointId: 1, status: 1, createdAt: -1, _id: -1 });
  // Its size follows what is under way, and not the history.
  schema.index({ nextAttemptAt: 1, userId: 1 }, { partialFilterExpression: { nextAttemptAt: { $exists: true } } });
  schema.index({ userId: 1 });
  schema.index({ status: 1, expiresAt: 1 });
  return schema;
}

export function registerWebhookDelivery(connection: Connection): WebhookDeliveryModelType {
  return connection.model<WebhookDelivery, WebhookDeliveryModelType>('WebhookDelivery', webhookDeliverySchema());
}
