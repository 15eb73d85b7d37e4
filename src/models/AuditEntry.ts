import { type Connection, type Model, Schema, type Types } from 'mongoose';
import { ACTOR_KINDS, type Act, type Actor, AUDIT_ACTIONS } from '../domain/audit.ts';

/** The document that was acted on; maintenance acts on none in particular. */
export interface AuditSubject {
  model: 'User' | 'Subscription' | 'ImageGeneration' | 'WebhookEndpoint';
  id: Types.ObjectId;
}

/**
 * One line of the audit trail. It is written once and never changed, and therefore has no soft delete: what was done stays to
 * be read.
 */
export interface AuditEntry extends Act {
  _id: Types.ObjectId;
  subject?: AuditSubject;
  at: Date;
}

export type AuditEntryModelType = Model<AuditEntry>;

function auditEntrySchema(): Schema<AuditEntry, AuditEntryModelType> {
  const actor = new Schema<Actor>(
    { kind: { type: String, enum: ACTOR_KINDS, required: true }, id: { type: String, maxlength: 255 } },
    { _id: false },
  );
  const subject = new Schema<AuditSubject>(
    { model: { type: String, required: true }, id: { type: Schema.Types.ObjectId, required: true } },
    { _id: false },
  );
  const schema = new Schema<AuditEntry, AuditEntryModelType>(
    {
      action: { type: String, enum: AUDIT_ACTIONS, required: true, immutable: true },
      actor: { type: actor, required: true, immutable: true },
      subject: { type: subject, immutable: true },
      at: { type: Date, required: true, immutable: true },
      detail: { type: Schema.Types.Mixed, immutable: true },
    },
    { collection: 'auditentries' },
  );
  schema.index({ at: -1, _id: -1 });
  schema.index({ 'subject.id': 1, at: -1, _id: -1 });
  // Erasure asks what somebody did.
  schema.index({ 'actor.id': 1 }, { sparse: true });
  return schema;
}

export function registerAuditEntry(connection: Connection): AuditEntryModelType {
  return connection.model<AuditEntry, AuditEntryModelType>('AuditEntry', auditEntrySchema());
}
