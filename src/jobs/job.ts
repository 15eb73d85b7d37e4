import type { JobResult } from '../models/JobState.ts';
import type { Schedule } from './schedule.ts';

/** Work that is done from time to time, by one process at a time. */
export interface Job {
  name: string;
  /** One line for people. */
  summary: string;
  schedule: Schedule;
  /**
   * Does it, in batches. When `signal` is aborted it finishes its batch and returns what it has done until then: the lease is
   * lost, or the process ends. Whatever it writes is guarded or may be written twice, since a process that was suspended can
   * wake up behind its successor.
   */
  run(signal: AbortSignal, progress?: JobProgress): Promise<JobResult>;
}

/** How far a run has come. It outlives the process, and goes with the run that comes to its end. */
export interface JobProgress {
  /** What the run before this one has left, where that was cut off. */
  read(): Promise<Record<string, unknown> | undefined>;
  /** @throws {Error} when another process has taken over, which has its own */
  keep(progress: Record<string, unknown>): Promise<void>;
}

/** How a run ended for this process. `lost`: another has taken over. */
export type RunOutcome = 'succeeded' | 'failed' | 'stopped' | 'lost';

/** Told of every run that this process has made, also of those that need no lease. */
export interface JobObserver {
  jobEnded(job: string, outcome: RunOutcome, seconds: number, result?: JobResult): void;
  /** The last success of a job, by any process. */
  jobSucceededAt(job: string, at: Date): void;
}
