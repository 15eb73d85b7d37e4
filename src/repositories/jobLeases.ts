import { CLOCK_TOLERANCE_MS } from '../domain/ledger.ts';
import { jobStatesOf } from '../models/collections.ts';
import type { JobResult, JobState } from '../models/JobState.ts';
import type { Store } from '../models/store.ts';

/** Times that a job is started for one instant of its schedule, when its processes die under it. */
export const JOB_ATTEMPTS = 3;

/** A process's right to run a job. It ends by itself unless it is renewed. */
export interface JobLease {
  job: string;
  /** The process. */
  holder: string;
  /** The instant of the schedule that the run is for. */
  instant: Date;
  /** Fencing token: every later lease of the job has a higher one. */
  fence: number;
  expiresAt: Date;
}

export interface JobClaim {
  job: string;
  instant: Date;
  holder: string;
  leaseMs: number;
}

/** How a run ended. */
export type JobEnd = { outcome: 'succeeded'; result: JobResult } | { outcome: 'failed'; error: string };

const later = (now: Date, milliseconds: number) => new Date(now.getTime() + milliseconds);

/** Where jobs stand that have one; the others were never prepared. */
export function readJobStates(store: Store): Promise<JobState[]> {
  return jobStatesOf(store).find({}).sort({ _id: 1 }).toArray();
}

export function readJobState(store: Store, job: string): Promise<JobState | null> {
  return jobStatesOf(store).findOne({ _id: job });
}

/** Makes the state of a job that has none. What its schedule asked for before that needs no run. */
export async function prepareJob(store: Store, job: string, doneFor: Date): Promise<void> {
  await jobStatesOf(store).updateOne(
    { _id: job },
    { $setOnInsert: { startedFor: doneFor, doneFor, attempts: 0, fence: 0 } },
    { upsert: true },
  );
}

/**
 * Leases a job to the process that asks: if the instant still needs a run, and nobody holds the job. The lease of a process that
 * died ends by itself; its instant is then run again, {@link JOB_ATTEMPTS} times at most.
 *
 * @returns null when there is nothing to do, or somebody else does it
 */
export function claimDueJob(store: Store, claim: JobClaim): Promise<JobLease | null> {
  return claimWhere(store, claim, {
    doneFor: { $lt: claim.instant },
    $or: [{ startedFor: { $ne: claim.instant } }, { attempts: { $lt: JOB_ATTEMPTS } }],
  });
}

/** Leases a job to an operator, due or not; null while somebody holds it. */
export function claimJob(store: Store, claim: JobClaim): Promise<JobLease | null> {
  return claimWhere(store, claim, {});
}

async function claimWhere(store: Store, claim: JobClaim, condition: object): Promise<JobLease | null> {
  const { job, instant, holder, leaseMs } = claim;
  const now = store.clock.now();
  const expiresAt = later(now, leaseMs);
  const again = { $eq: ['$startedFor', instant] };
  const claimed = await jobStatesOf(store).findOneAndUpdate(
    { _id: job, $and: [isFree(now), condition] },
    [
      { $unset: ['lastRun', 'lease'] },
      {
        $set: {
          startedFor: instant,
          attempts: { $cond: [again, { $add: ['$attempts', 1] }, 1] },
          fence: { $add: ['$fence', 1] },
          lease: { holder: { $literal: holder }, expiresAt },
          lastRun: { instant, holder: { $literal: holder }, startedAt: now, outcome: 'running' },
        },
      },
    ],
    { returnDocument: 'after', projection: { fence: 1 } },
  );
  return claimed && { job, holder, instant, fence: claimed.fence, expiresAt };
}

function isFree(now: Date) {
  return { $or: [{ lease: { $exists: false } }, { 'lease.expiresAt': { $lte: now } }] };
}

/**
 * Lets go of what only a clock that has been set back since can have written: a lease longer than any that can be had, and the
 * instants of a time that is still to come. It is judged by the time after the state was read, and written only over that very
 * state, so that a process that was suspended in between takes nothing away.
 *
 * @returns whether there was anything of the kind
 */
export async function forgetFuture(store: Store, state: JobState, claim: Omit<JobClaim, 'holder'>): Promise<boolean> {
  const now = store.clock.now();
  const { _id, fence, doneFor, lease } = state;
  const isDoneTooFar = doneFor > later(now, CLOCK_TOLERANCE_MS);
  const isLeasedTooLong = lease !== undefined && lease.expiresAt > later(now, claim.leaseMs + CLOCK_TOLERANCE_MS);
  if (!isDoneTooFar && !isLeasedTooLong) return false;
  await jobStatesOf(store).updateOne(
    { _id, fence, doneFor, ...(lease && { 'lease.expiresAt': lease.expiresAt }) },
    {
      ...(isDoneTooFar && { $set: { doneFor: claim.instant } }),
      ...(isLeasedTooLong && { $unset: { lease: 1 } }),
    },
  );
  return true;
}

/** Keeps the lease for another `leaseMs`; null when it has been lost, and then it is lost for good. */
export async function renewJobLease(store: Store, lease: JobLease, leaseMs: number): Promise<JobLease | null> {
  const now = store.clock.now();
  const expiresAt = later(now, leaseMs);
  const { matchedCount } = await jobStatesOf(store).updateOne(
    { _id: lease.job, fence: lease.fence, 'lease.expiresAt': { $gt: now } },
    { $set: { 'lease.expiresAt': expiresAt } },
  );
  return matchedCount === 1 ? { ...lease, expiresAt } : null;
}

/** Keeps how far a run has come, for whoever goes on after it; false when another has taken over. */
export async function keepJobProgress(
  store: Store,
  { job, fence }: JobLease,
  progress: Record<string, unknown>,
): Promise<boolean> {
  const { matchedCount } = await jobStatesOf(store).updateOne(
    { _id: job, fence, lease: { $exists: true } },
    { $set: { progress } },
  );
  return matchedCount === 1;
}

/** Records a run that came to its end, whichever, and gives the lease back; false when another has taken over. */
export async function endJob(store: Store, { job, instant, fence }: JobLease, end: JobEnd): Promise<boolean> {
  const now = store.clock.now();
  const { outcome, ...told } = end;
  const { matchedCount } = await jobStatesOf(store).updateOne(
    { _id: job, fence, lease: { $exists: true } },
    {
      $set: {
        doneFor: instant,
        'lastRun.endedAt': now,
        'lastRun.outcome': outcome,
        ...Object.fromEntries(Object.entries(told).map(([name, value]) => [`lastRun.${name}`, value])),
        ...(outcome === 'succeeded' && { lastSuccessAt: now }),
      },
      $unset: { lease: 1, ...(outcome === 'succeeded' && { progress: 1 }) },
    },
  );
  return matchedCount === 1;
}

/** Gives the lease back before the work is done, so that another process can go on at once; false when one already has. */
export async function giveJobBack(store: Store, { job, fence }: JobLease, result?: JobResult): Promise<boolean> {
  const now = store.clock.now();
  const { matchedCount } = await jobStatesOf(store).updateOne(
    { _id: job, fence, lease: { $exists: true } },
    {
      $set: { 'lastRun.endedAt': now, 'lastRun.outcome': 'stopped', ...(result && { 'lastRun.result': result }) },
      $inc: { attempts: -1 },
      $unset: { lease: 1 },
    },
  );
  return matchedCount === 1;
}

/** Lets an instant be whose runs have all died, so that a run that kills its process does not kill one after the other. */
export async function abandonLostJob(
  store: Store,
  { job, instant }: Pick<JobClaim, 'job' | 'instant'>,
): Promise<boolean> {
  const now = store.clock.now();
  const { modifiedCount } = await jobStatesOf(store).updateOne(
    {
      _id: job,
      startedFor: instant,
      doneFor: { $lt: instant },
      attempts: { $gte: JOB_ATTEMPTS },
      $and: [isFree(now)],
    },
    { $set: { doneFor: instant, 'lastRun.endedAt': now, 'lastRun.outcome': 'lost' }, $unset: { lease: 1 } },
  );
  return modifiedCount === 1;
}
