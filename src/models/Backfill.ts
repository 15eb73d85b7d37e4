import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** What a back-fill has found so far, in users. */
export interface Backfilled {
  /** Were as Clerk says. */
  equal: number;
  /** Clerk had them, and nobody was here. */
  made: number;
  /** Another address or name than Clerk's, of earlier. */
  updated: number;
  /** Had been deleted, and have signed up again. */
  restored: number;
  /** Differ as they should: deleted here, or under a name that they have chosen here. */
  kept: number;
  /** Here, and not at Clerk any more. */
  gone: number;
  /** The same, and deleted here by this run. */
  deleted: number;
  /** Somebody has to look at these. */
  needPerson: number;
}

/**
 * How far the back-fill from Clerk has come, so that another process can go on. It is written by machines for operators, belongs to no
 * user, and goes when the run has ended.
 */
export interface Backfill {
  /** Whose users are read. */
  _id: 'clerk';
  /** The process that goes on with it: whoever it was before may write no more. */
  run: string;
  startedAt: Date;
  savedAt: Date;
  /** Clerk's list is read first, and then who is stored here. */
  stage: 'listed' | 'stored';
  /** In Clerk's list: behind so many of those who signed up then or later. */
  since?: Date;
  offset: number;
  /** Among those who are stored: the last one that was looked at. */
  behind?: Types.ObjectId;
  found: Backfilled;
}

export type BackfillModelType = Model<Backfill>;

function backfillSchema(): Schema<Backfill, BackfillModelType> {
  return new Schema<Backfill, BackfillModelType>(
    {
      _id: { type: String, required: true },
      run: { type: String, required: true },
      startedAt: { type: Date, required: true },
      savedAt: { type: Date, required: true },
      stage: { type: String, enum: ['listed', 'stored'], required: true },
      since: { type: Date },
      offset: { type: Number, required: true },
      behind: { type: Schema.Types.ObjectId },
      found: { type: Schema.Types.Mixed, required: true },
    },
    { collection: 'backfills' },
  );
}

export function registerBackfill(connection: Connection): BackfillModelType {
  return connection.model<Backfill, BackfillModelType>('Backfill', backfillSchema());
}
