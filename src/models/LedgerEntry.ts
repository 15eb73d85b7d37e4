import { type Connection, type Model, Schema, type Types } from 'mongoose';
import { LEDGER_KINDS, type LedgerKind } from '../domain/ledger.ts';

/** What an entry says wherever it stands: open in its account, or in the ledger. */
export interface EntryFields {
  /** Always positive; the kind tells the direction. */
  credits: number;
  /** Credits that remained afterwards. */
  balance: number;
  /** Number of the period to which it belongs; a refund belongs to the one that was charged. */
  period: number;
  at: Date;
  /** Hash of user and idempotency key. */
  key?: string;
  /** Hash of the route and body that came with the key. */
  fingerprint?: string;
  generationId?: Types.ObjectId;
  /** The charge that a refund gives back. */
  chargeId?: Types.ObjectId;
  reason?: string;
}

/**
 * One line of the audit trail of quota. It is written once and never changed, and therefore has no soft delete: what moved
 * credits stays to be read.
 */
export interface LedgerEntry extends EntryFields {
  _id: Types.ObjectId;
  userId: Types.ObjectId;
  /** Position in the user's ledger, from 1 without gaps. */
  sequence: number;
  kind: LedgerKind;
}

export type LedgerEntryModelType = Model<LedgerEntry>;

function ledgerEntrySchema(): Schema<LedgerEntry, LedgerEntryModelType> {
  const schema = new Schema<LedgerEntry, LedgerEntryModelType>(
    {
      userId: { type: Schema.Types.ObjectId, ref: 'User', required: true, immutable: true },
      sequence: { type: Number, required: true, immutable: true, min: 1 },
      kind: { type: String, enum: LEDGER_KINDS, required: true, immutable: true },
      credits: { type: Number, required: true, immutable: true, min: 1 },
      balance: { type: Number, required: true, immutable: true, min: 0 },
      period: { type: Number, required: true, immutable: true },
      at: { type: Date, required: true, immutable: true },
      key: { type: String, immutable: true },
      fingerprint: { type: String, immutable: true },
      generationId: { type: Schema.Types.ObjectId, ref: 'ImageGeneration', immutable: true },
      chargeId: { type: Schema.Types.ObjectId, immutable: true },
      reason: { type: String, immutable: true, maxlength: 500 },
    },
    { collection: 'ledgerentries' },
  );
  schema.index({ userId: 1, sequence: -1 }, { unique: true });
  schema.index({ key: 1 }, { unique: true, sparse: true });
  // A charge is given back once.
  schema.index({ chargeId: 1 }, { unique: true, sparse: true });
  schema.index({ generationId: 1 }, { sparse: true });
  return schema;
}

export function registerLedgerEntry(connection: Connection): LedgerEntryModelType {
  return connection.model<LedgerEntry, LedgerEntryModelType>('LedgerEntry', ledgerEntrySchema());
}
