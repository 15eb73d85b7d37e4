import { type Connection, type Model, Schema } from 'mongoose';
import { EVENT_RETENTION_MS, INBOX_STATES, type InboxState, type ToldEvent, WEBHOOK_SOURCES } from '../domain/inbox.ts';
import { encryptedFields } from './plugins/encryptedFields.ts';

/**
 * An event that a sender has told of, kept until it is applied and for as long afterwards as it might be told of again. It is a note of
 * work and no record of anybody's, and therefore has no soft delete: it ends by its age.
 */
export interface WebhookEvent extends Omit<ToldEvent, 'id'> {
  /** The source and the sender's own id: the same event is kept once. */
  _id: string;
  receivedAt: Date;
  state: InboxState;
  /** When to try it next; while it is being tried, when that attempt counts as lost. Absent: it has come to its end, or waits for a user. */
  dueAt?: Date;
  /** Of the attempt under way. */
  lease?: string;
  attempts: number;
  /** Why it could not be applied the last time: no data, only the kind of failure. */
  failure?: string;
  /** Users who have to appear before it can be applied, in whichever words it names them. */
  awaits?: string[];
  outcome?: WebhookOutcome;
  endedAt?: Date;
}

/** `expired`: the user it was about never appeared. */
export const WEBHOOK_OUTCOMES = ['applied', 'ignored', 'expired'] as const;
export type WebhookOutcome = (typeof WEBHOOK_OUTCOMES)[number];

export type WebhookEventModelType = Model<WebhookEvent>;

function webhookEventSchema(): Schema<WebhookEvent, WebhookEventModelType> {
  const schema = new Schema<WebhookEvent, WebhookEventModelType>(
    {
      _id: { type: String, required: true },
      source: { type: String, enum: WEBHOOK_SOURCES, required: true },
      type: { type: String, required: true, maxlength: 255 },
      occurredAt: { type: Date, required: true },
      receivedAt: { type: Date, required: true },
      state: { type: String, enum: INBOX_STATES, default: 'open', required: true },
      subject: { type: String, maxlength: 255 },
      facts: { type: Schema.Types.Mixed, default: () => ({}) },
      dueAt: { type: Date },
      lease: { type: String },
      attempts: { type: Number, required: true, default: 0 },
      failure: { type: String, maxlength: 500 },
      awaits: { type: [String], default: undefined },
      outcome: { type: String, enum: WEBHOOK_OUTCOMES },
      endedAt: { type: Date },
    },
    { collection: 'webhookevents', minimize: false },
  );
  schema.plugin(encryptedFields, { fields: { subject: 'indexed', facts: 'sealed' } });
  // As large as what is open, not as the history.
  schema.index({ dueAt: 1 }, { sparse: true });
  schema.index({ awaits: 1 }, { sparse: true });
  schema.index({ endedAt: 1 }, { expireAfterSeconds: EVENT_RETENTION_MS / 1000 });
  // One for each way to filter the list, which is read from either end.
  schema.index({ receivedAt: -1, _id: -1 });
  schema.index({ source: 1, receivedAt: -1, _id: -1 });
  schema.index({ state: 1, receivedAt: -1, _id: -1 });
  schema.index({ state: 1, source: 1, receivedAt: -1, _id: -1 });
  return schema;
}

export function registerWebhookEvent(connection: Connection): WebhookEventModelType {
  return connection.model<WebhookEvent, WebhookEventModelType>('WebhookEvent', webhookEventSchema());
}
