/** The entry on Cloudflare Workers: the same API, without a disk and without a process that stays. */

import { EnvironmentError } from '../config/env.ts';
import { errorFields, type Log } from '../config/log.ts';
import { createJobs } from '../jobs/catalogue.ts';
import { startScheduler } from '../jobs/scheduler.ts';
import { sweep } from '../workflows/sweep.ts';
import { askObject, objectsOf } from './workerObjects.ts';
import { openWorkerSession, type WorkerSession } from './workerSession.ts';
import { appOf, type Bindings, refuse, setupOrProblem, type WorkerSetup } from './workerSetup.ts';

export { ApiObject } from './workerObject.ts';

/** https://developers.cloudflare.com/workers/runtime-apis/context/ */
interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

/** The other addresses answer without a database, and so quicker, and also while there is none. */
const NEEDS_DATABASE = /^\/(?:v1|webhooks)\/|^\/readyz$/;
/** What is measured is measured where the work is done. */
const IS_MEASUREMENT = /^\/metrics$/;

export default {
  async fetch(request: Request, bindings: Bindings, execution: ExecutionContext): Promise<Response> {
    const ready = setupOrProblem(bindings);
    if (ready instanceof EnvironmentError) return refuse(request, ready);
    const { pathname } = new URL(request.url);
    const objects = objectsOf(bindings);
    if (objects && (NEEDS_DATABASE.test(pathname) || IS_MEASUREMENT.test(pathname))) {
      return askObject(objects, request, ready);
    }
    return answerAlone(request, ready, execution, NEEDS_DATABASE.test(pathname));
  },

  /** The sweeper, which every process of the API runs, and the jobs that are due: see `crons` in wrangler.toml. */
  async scheduled(_event: unknown, bindings: Bindings): Promise<void> {
    const ready = setupOrProblem(bindings);
    if (ready instanceof EnvironmentError) throw ready;
    const session = openWorkerSession(ready);
    try {
      await session.connect();
      if (session.isPrepared()) await runWhatIsDue(ready, session);
    } finally {
      await ended(session, ready.log);
    }
  },
};

/** On a connection of its own: for a deployment that has no objects, and for what needs no database. */
async function answerAlone(
  request: Request,
  setup: WorkerSetup,
  execution: ExecutionContext,
  needsDatabase: boolean,
): Promise<Response> {
  const session = openWorkerSession(setup);
  try {
    if (needsDatabase) await session.connect();
    return await appOf(setup, session).fetch(request);
  } finally {
    execution.waitUntil(ended(session, setup.log));
  }
}

async function runWhatIsDue({ env, observability }: WorkerSetup, { ctx, inbound }: WorkerSession): Promise<void> {
  await sweep(ctx);
  await inbound.inbox.work();
  // Pictures lie with the processes that draw them; what removes them runs there.
  const jobs = createJobs({ ctx, storage: null, cleanup: env.cleanup, billing: inbound.billing.deps });
  const scheduler = startScheduler({ ctx, jobs, observer: observability.jobs });
  await scheduler.look();
  await scheduler.stop();
}

async function ended(session: WorkerSession, log: Log): Promise<void> {
  await session.end().catch((error: unknown) => log.warn('a connection did not end cleanly', errorFields(error)));
}
