import { type Connection, type Model, Schema, type Types } from 'mongoose';
import type { Usage } from '../domain/usage.ts';

/** A quarter of an hour in which something was asked for. Every time zone's midnight is the beginning of one. */
export interface UsageSlot extends Usage {
  /** Quarter-hours since the day's beginning, 0 to 95. */
  at: number;
}

/** Which sums do not hold this day as it is now: the revision of the day that they have to take up. */
export interface DueSums {
  /** The day of the whole system; only for a user's day. */
  system?: Types.ObjectId;
  /** The user's, or the system's, totals. */
  total?: Types.ObjectId;
}

/**
 * What was asked for on one day of UTC, by one user or by all. It is derived from the generations, and written only as a whole and
 * only over the revision from which it was computed, so that an older computation never replaces a newer one.
 */
export interface UsageDay {
  _id: Types.ObjectId;
  /** Null: the whole system. */
  userId: Types.ObjectId | null;
  /** The midnight of UTC with which it begins. */
  day: Date;
  usage: Usage;
  /** Sparse, in order. */
  slots: UsageSlot[];
  /** When the newest of its generations was created. */
  lastAt: Date | null;
  revision: Types.ObjectId;
  /** Whether generations may have been removed for good: then a user's day is never computed again. The system's follow from those. */
  frozen?: boolean;
  due: DueSums;
}

export type UsageDayModelType = Model<UsageDay>;

export const UNFROZEN_INDEX = 'unfrozen';
export const DUE_TO_SYSTEM_INDEX = 'due_to_system';
export const DUE_TO_TOTAL_INDEX = 'due_to_total';

/** Derived, and no document of anybody: it has no soft delete. */
function usageDaySchema(): Schema<UsageDay, UsageDayModelType> {
  const schema = new Schema<UsageDay, UsageDayModelType>(
    {
      userId: { type: Schema.Types.ObjectId, ref: 'User', default: null },
      day: { type: Date, required: true },
      usage: { type: Schema.Types.Mixed, required: true },
      slots: { type: Schema.Types.Mixed, required: true },
      lastAt: { type: Date, default: null },
      revision: { type: Schema.Types.ObjectId, required: true },
      frozen: { type: Boolean },
      due: { type: Schema.Types.Mixed, required: true },
    },
    { collection: 'usagedays', minimize: false },
  );
  schema.index({ userId: 1, day: 1 }, { unique: true });
  schema.index({ day: 1, userId: 1 });
  schema.index({ day: 1, frozen: 1 }, { name: UNFROZEN_INDEX, partialFilterExpression: { frozen: false } });
  schema.index(
    { day: 1, userId: 1, 'due.system': 1 },
    { name: DUE_TO_SYSTEM_INDEX, partialFilterExpression: { 'due.system': { $exists: true } } },
  );
  schema.index(
    { userId: 1, day: 1, 'due.total': 1 },
    { name: DUE_TO_TOTAL_INDEX, partialFilterExpression: { 'due.total': { $exists: true } } },
  );
  return schema;
}

export function registerUsageDay(connection: Connection): UsageDayModelType {
  return connection.model<UsageDay, UsageDayModelType>('UsageDay', usageDaySchema());
}
