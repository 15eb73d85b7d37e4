import { type Connection, type Model, Schema } from 'mongoose';

export const JOB_OUTCOMES = ['running', 'succeeded', 'failed', 'stopped', 'lost'] as const;
export type JobOutcome = (typeof JOB_OUTCOMES)[number];

/** What a run did, in counts. */
export type JobResult = Record<string, number>;

export interface JobRun {
  /** The instant of the schedule that it was for. */
  instant: Date;
  /** The process. */
  holder: string;
  startedAt: Date;
  endedAt?: Date;
  /** `stopped`: its process was shut down, and the rest is for another; `lost`: its processes died, as often as is tried. */
  outcome: JobOutcome;
  result?: JobResult;
  error?: string;
}

/**
 * Where a job stands, for all processes together: whose turn it is, and what the last run did. It is written by machines for
 * operators, belongs to no user, and therefore has no soft delete.
 */
export interface JobState {
  /** The job's name. */
  _id: string;
  /** The instant of the schedule for which a run was started last. */
  startedFor: Date;
  /** The latest instant that needs no run any more. */
  doneFor: Date;
  /** Runs that were started for `startedFor`. */
  attempts: number;
  /** Counts leases. A write under a lease names its number, so that a holder whose lease was taken over writes nothing. */
  fence: number;
  lease?: { holder: string; expiresAt: Date };
  lastRun?: JobRun;
  /** What a run that was cut off has left for the next one. */
  progress?: Record<string, unknown>;
  lastSuccessAt?: Date;
}

export type JobStateModelType = Model<JobState>;

function jobStateSchema(): Schema<JobState, JobStateModelType> {
  return new Schema<JobState, JobStateModelType>(
    {
      _id: { type: String, required: true },
      startedFor: { type: Date, required: true },
      doneFor: { type: Date, required: true },
      attempts: { type: Number, required: true, min: 0 },
      fence: { type: Number, required: true, min: 0 },
      lease: { type: new Schema({ holder: String, expiresAt: Date }, { _id: false }) },
      lastRun: {
        type: new Schema(
          {
            instant: Date,
            holder: String,
            startedAt: Date,
            endedAt: Date,
            outcome: { type: String, enum: JOB_OUTCOMES },
            result: Schema.Types.Mixed,
            error: String,
          },
          { _id: false },
        ),
      },
      progress: { type: Schema.Types.Mixed },
      lastSuccessAt: { type: Date },
    },
    { collection: 'jobs' },
  );
}

export function registerJobState(connection: Connection): JobStateModelType {
  return connection.model<JobState, JobStateModelType>('JobState', jobStateSchema());
}
