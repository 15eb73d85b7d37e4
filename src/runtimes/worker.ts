/** The entry on Cloudflare Workers: the same API, without a disk and without a process that stays. */

import { Hono } from 'hono';
import { createApp } from '../app.ts';
import { getConnectionInfo } from '../config/database.ts';
import { EnvironmentError, readEnv } from '../config/env.ts';
import { createLog, errorFields, type Log } from '../config/log.ts';
import { ArtifexError } from '../domain/errors.ts';
import { createIdentities, type Identities } from '../identity/identities.ts';
import { clerkProfiles, noProfiles, type ProfileSource } from '../identity/profiles.ts';
import { clerkTrust, type SessionTrust } from '../identity/sessionTrust.ts';
import { createJobs } from '../jobs/catalogue.ts';
import { startScheduler } from '../jobs/scheduler.ts';
import type { EdgeEnv } from '../middleware/context.ts';
import { problemHandler } from '../middleware/problem.ts';
import { requestId } from '../middleware/requestId.ts';
import { createObservability } from '../observability/observability.ts';
import type { PictureStorage } from '../storage/port.ts';
import { sweep } from '../workflows/sweep.ts';
import { tellOfClearData } from './clearData.ts';
import { openWorkerSession, type WorkerSession, type WorkerSessionDeps } from './workerSession.ts';

/** Variables and secrets of the deployment; a binding that is no text is none of ours. */
type Bindings = Readonly<Record<string, unknown>>;

/** https://developers.cloudflare.com/workers/runtime-apis/context/ */
interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

/** What the environment gives, read once: it never changes while an isolate lives. */
interface Setup extends WorkerSessionDeps {
  sessions: SessionTrust;
  profiles: ProfileSource;
  identities: Identities;
}

/** The other addresses answer without a database, and so quicker, and also while there is none. */
const NEEDS_DATABASE = /^\/(?:v1|webhooks)\/|^\/readyz$/;

/** Until an object store is configured there are no pictures here: nothing in a Worker makes any. */
const noStorage: PictureStorage = {
  async put() {
    throw new Error('A Worker has no disk to keep a picture on.');
  },
  async get() {
    return null;
  },
  async remove() {},
};

let setup: Setup | undefined;

export default {
  async fetch(request: Request, bindings: Bindings, execution: ExecutionContext): Promise<Response> {
    const ready = setupOrProblem(bindings);
    if (ready instanceof EnvironmentError) return refuse(request, ready);
    const session = openWorkerSession(ready);
    try {
      if (NEEDS_DATABASE.test(new URL(request.url).pathname)) await session.connect();
      return await appOf(ready, session).fetch(request);
    } finally {
      execution.waitUntil(ended(session, ready.log));
    }
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

async function runWhatIsDue({ env, observability }: Setup, { ctx }: WorkerSession): Promise<void> {
  await sweep(ctx);
  // Pictures lie with the processes that draw them; what removes them runs there.
  const jobs = createJobs({ ctx, storage: null, cleanup: env.cleanup });
  const scheduler = startScheduler({ ctx, jobs, observer: observability.jobs });
  await scheduler.look();
  await scheduler.stop();
}

function setupOrProblem(bindings: Bindings): Setup | EnvironmentError {
  try {
    setup ??= setUp(bindings);
    return setup;
  } catch (error) {
    if (error instanceof EnvironmentError) return error;
    throw error;
  }
}

/** @throws {EnvironmentError} also for what another runtime can do without: an embedded database, a key on a disk */
function setUp(bindings: Bindings): Setup {
  const env = readEnv(Object.fromEntries(Object.entries(bindings).map(([name, value]) => [name, textOf(value)])));
  const { mongodbUri } = env;
  const sessions = clerkTrust(env.clerk);
  if (mongodbUri === undefined) {
    throw new EnvironmentError('MONGODB_URI is missing: a Worker needs the address of a MongoDB server');
  }
  if (sessions === null) {
    throw new EnvironmentError('CLERK_JWT_KEY is missing: a Worker has no disk to keep a development key on');
  }
  const log = createLog({ level: env.logLevel, write: (line) => console.log(line) });
  const profiles = env.clerk.secretKey === undefined ? noProfiles : clerkProfiles(env.clerk.secretKey, log);
  tellOfClearData(env, log);
  const observability = createObservability({ log, slowQueryMs: env.slowQueryMs });
  const identities = createIdentities((isHit) => observability.cacheLookedUp('identities', isHit));
  return { env, log, mongodbUri, sessions, profiles, identities, observability };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function appOf(
  { log, sessions, profiles, identities, observability }: Setup,
  { ctx, connection, isPrepared }: WorkerSession,
) {
  return createApp({
    log,
    ctx,
    storage: noStorage,
    sessions,
    identities,
    profiles,
    requestAnswered: observability.requestAnswered,
    metrics: observability.exposition,
    isPrepared,
    health: () => ({ ...getConnectionInfo(connection), isConnected: isPrepared() }),
  });
}

async function ended(session: WorkerSession, log: Log): Promise<void> {
  await session.end().catch((error: unknown) => log.warn('a connection did not end cleanly', errorFields(error)));
}

/** A process would end; a Worker cannot, so it says in its log what is wrong, and answers nothing else. */
function refuse(request: Request, problem: EnvironmentError): Response | Promise<Response> {
  const log = createLog({ level: 'info', write: (line) => console.error(line) });
  log.error(problem.message);
  return new Hono<EdgeEnv>()
    .onError(problemHandler(log))
    .use(requestId())
    .all('*', () => {
      throw new ArtifexError('unavailable', 'This deployment is not configured; its log names what is missing.');
    })
    .fetch(request);
}
