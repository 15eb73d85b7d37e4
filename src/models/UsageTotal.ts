import { type Connection, type Model, Schema, type Types } from 'mongoose';
import type { Usage } from '../domain/usage.ts';

/**
 * Everything that one user, or all, ever asked for, by month, so that a month is replaced when one of its days changes and
 * nothing is ever added twice.
 */
export interface UsageTotal {
  _id: Types.ObjectId;
  /** Null: the whole system. */
  userId: Types.ObjectId | null;
  /** By the month of UTC: `2026-03`. */
  months: Record<string, MonthUsage>;
  /** When the newest generation was created. */
  lastAt: Date | null;
  revision: Types.ObjectId;
}

export interface MonthUsage extends Usage {
  lastAt: Date | null;
}

export type UsageTotalModelType = Model<UsageTotal>;

/** Derived, and no document of anybody: it has no soft delete. */
function usageTotalSchema(): Schema<UsageTotal, UsageTotalModelType> {
  const schema = new Schema<UsageTotal, UsageTotalModelType>(
    {
      userId: { type: Schema.Types.ObjectId, ref: 'User', default: null },
      months: { type: Schema.Types.Mixed, required: true },
      lastAt: { type: Date, default: null },
      revision: { type: Schema.Types.ObjectId, required: true },
    },
    { collection: 'usagetotals', minimize: false },
  );
  schema.index({ userId: 1 }, { unique: true });
  schema.index({ lastAt: 1, userId: 1 });
  return schema;
}

export function registerUsageTotal(connection: Connection): UsageTotalModelType {
  return connection.model<UsageTotal, UsageTotalModelType>('UsageTotal', usageTotalSchema());
}
