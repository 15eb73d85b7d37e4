import { type Connection, type Model, Schema } from 'mongoose';

/**
 * How often somebody has asked in the running window, for all processes together. It lives for about a minute and belongs to nothing
 * else, and therefore has no soft delete.
 */
export interface RateLimit {
  key: string;
  /** Requests that were let through, and those that were lent: never more than the limit. */
  points: number;
  /** Of these, what processes have taken beforehand and may not have used yet. */
  lent: number;
  /** When the window ends, by the machine's clock, which is that of the database's removal too. */
  expire: Date;
  /** What the last taking got: for those who wait, and beforehand. */
  taken: number;
  spare: number;
}

export type RateLimitModelType = Model<RateLimit>;

function rateLimitSchema(): Schema<RateLimit, RateLimitModelType> {
  const schema = new Schema<RateLimit, RateLimitModelType>(
    {
      key: { type: String, required: true },
      points: { type: Number, required: true },
      lent: { type: Number, required: true },
      expire: { type: Date, required: true },
      taken: { type: Number, required: true },
      spare: { type: Number, required: true },
    },
    { collection: 'ratelimits', versionKey: false },
  );
  schema.index({ key: 1 }, { unique: true });
  schema.index({ expire: 1 }, { expireAfterSeconds: 0 });
  return schema;
}

export function registerRateLimit(connection: Connection): RateLimitModelType {
  return connection.model<RateLimit, RateLimitModelType>('RateLimit', rateLimitSchema());
}
