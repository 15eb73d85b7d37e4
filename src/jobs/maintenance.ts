import { z } from 'zod';
import { ArtifexError } from '../domain/errors.ts';
import type { JobResult } from '../models/JobState.ts';
import type { Maintenance } from '../workflows/maintenance.ts';
import { type CatalogueDeps, nightlyCleanup, quotaResets } from './catalogue.ts';
import type { Job } from './job.ts';
import { JOB_LEASE_MS, type RunDeps } from './runJob.ts';
import { runNow } from './runNow.ts';

/** Milliseconds after which a run ends with its batch: a request waits for it, and so does a shutdown. */
const MOST_RUN_MS = 15_000;

const cleanupResult = z.object({
  oldGenerationsRemoved: z.int(),
  failedGenerationsRemoved: z.int(),
  subscriptionsUpdated: z.int(),
});
const resetResult = z.object({ usersReset: z.int() });

export interface MaintenanceDeps extends Omit<CatalogueDeps, 'billing'>, Pick<RunDeps, 'observer'> {
  /** Milliseconds that a run may take. */
  mostRunMs?: number;
}

export function createMaintenance(deps: MaintenanceDeps): Maintenance {
  const { ctx, storage, cleanup, observer, mostRunMs = MOST_RUN_MS } = deps;

  async function run(job: Job): Promise<JobResult> {
    let failure: unknown;
    const attempt: Job = {
      ...job,
      run: (signal) =>
        job.run(signal).catch((error: unknown) => {
          failure = error;
          throw error;
        }),
    };
    const ran = await runNow({ ctx, observer, leaseMs: JOB_LEASE_MS }, attempt, AbortSignal.timeout(mostRunMs));
    if (ran.outcome === 'held') {
      const until = ran.lease ? ` Its lease ends at ${ran.lease.expiresAt.toISOString()} unless it is renewed.` : '';
      throw new ArtifexError('conflict', `Another process is running ${job.name}.${until}`);
    }
    if (ran.result) return ran.result;
    if (failure !== undefined) throw failure;
    throw new ArtifexError(
      'unavailable',
      `Another process has taken over ${job.name}. It is safe to repeat the request.`,
    );
  }

  return {
    async cleanup(actor) {
      if (!storage) {
        throw new ArtifexError(
          'unavailable',
          'Pictures are out of reach of this process. Ask a process that keeps them, or wait for its nightly cleanup.',
        );
      }
      return cleanupResult.parse(await run(nightlyCleanup(ctx, storage, cleanup, actor)));
    },
    async resetQuotas(actor) {
      return resetResult.parse(await run(quotaResets(ctx, actor)));
    },
  };
}
