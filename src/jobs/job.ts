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
  run(signal: AbortSignal): Promise<JobResult>;
}

/** How a run ended for this process. `lost`: another has taken over. */
export type RunOutcome = 'succeeded' | 'failed' | 'stopped' | 'lost';

/** Told of every run that this process has made, also of those that need no lease. */
export interface JobObserver {
  jobEnded(job: string, outcome: RunOutcome, seconds: number, result?: JobResult): void;
  /** The last success of a job, by any process. */
  jobSucceededAt(job: string, at: Date): void;
}
