import { Hono } from 'hono';
import { createApp } from '../app.ts';
import { getConnectionInfo } from '../config/database.ts';
import { EnvironmentError, readEnv } from '../config/env.ts';
import { createLog } from '../config/log.ts';
import { ArtifexError } from '../domain/errors.ts';
import { perMinute, type RateLimiter } from '../domain/rateLimit.ts';
import { createIdentities, type Identities } from '../identity/identities.ts';
import { clerkProfiles, noProfiles, type ProfileSource } from '../identity/profiles.ts';
import { clerkTrust, type SessionTrust } from '../identity/sessionTrust.ts';
import { createMaintenance } from '../jobs/maintenance.ts';
import type { EdgeEnv } from '../middleware/context.ts';
import { memoryLimiter } from '../middleware/memoryLimiter.ts';
import { problemHandler } from '../middleware/problem.ts';
import { requestId } from '../middleware/requestId.ts';
import { createObservability } from '../observability/observability.ts';
import { remembered } from '../observability/remembered.ts';
import { createLimitMemory, type LimitMemory, sharedLimiter } from '../repositories/sharedLimiter.ts';
import type { PictureStorage } from '../storage/port.ts';
import { webStorage } from '../storage/web.ts';
import { readOperation } from '../workflows/readOperation.ts';
import { tellOfClearData } from './clearData.ts';
import { configuredOf } from './configured.ts';
import type { WorkerSession, WorkerSessionDeps } from './workerSession.ts';

/** Variables and secrets of the deployment, and what it is bound to; a variable is text. */
export type Bindings = Readonly<Record<string, unknown>>;

/** What the environment gives, read once: it never changes while an isolate lives. */
export interface WorkerSetup extends WorkerSessionDeps {
  sessions: SessionTrust;
  profiles: ProfileSource;
  identities: Identities;
  storage: PictureStorage;
  quotaMemory: LimitMemory;
  addressLimiter: RateLimiter;
}

/** Nothing in a Worker makes pictures, and it has no disk. */
const noStorage: PictureStorage = {
  async put() {
    throw new Error('A Worker has no disk to keep a picture on.');
  },
  async get() {
    return null;
  },
  async remove() {},
};

/**
 * Workerd tells of a client that has gone away only when something is written to it, behind a proxy once more; until then its stream
 * would hold an object in memory.
 */
const STREAM_TIMES = { heartbeat: 5_000 };

let setup: WorkerSetup | undefined;

export function setupOrProblem(bindings: Bindings): WorkerSetup | EnvironmentError {
  try {
    setup ??= setUp(bindings);
    return setup;
  } catch (error) {
    if (error instanceof EnvironmentError) return error;
    throw error;
  }
}

/** @throws {EnvironmentError} also for what another runtime can do without: an embedded database, a key on a disk */
function setUp(bindings: Bindings): WorkerSetup {
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
  const { secretKey, apiUrl } = env.clerk;
  const profiles = secretKey === undefined ? noProfiles : clerkProfiles({ secretKey, apiUrl }, log);
  tellOfClearData(env, log);
  if (env.tracing) log.warn('a Worker sends no traces to OTEL_EXPORTER_OTLP_ENDPOINT: see docs/operation.md');
  const observability = createObservability({ log, slowQueryMs: env.slowQueryMs });
  const identities = createIdentities((isHit) => observability.cacheLookedUp('identities', isHit));
  const { picturesUrl } = env.edge;
  const storage = picturesUrl === undefined ? noStorage : webStorage(picturesUrl);
  const addressLimiter = memoryLimiter(perMinute(env.rateLimit.addressPerMinute));
  const quotaMemory = createLimitMemory(perMinute(env.rateLimit.quotaPerMinute));
  return { env, log, mongodbUri, sessions, profiles, identities, storage, quotaMemory, addressLimiter, observability };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The application over a session's database. */
export function appOf(
  { env, log, sessions, profiles, identities, storage, quotaMemory, addressLimiter, observability }: WorkerSetup,
  { ctx, connection, watch, isPrepared, inbound: { billing, inbox, readers } }: WorkerSession,
) {
  return createApp({
    log,
    ctx,
    watch,
    billing,
    inbox,
    inbound: readers,
    storage,
    // What removes pictures runs with the processes that draw them.
    maintenance: createMaintenance({ ctx, storage: null, cleanup: env.cleanup, observer: observability.jobs }),
    webhooks: env.webhooks,
    streamTimes: STREAM_TIMES,
    sessions,
    workerToken: env.worker.token,
    identities,
    profiles,
    corsOrigins: env.http.corsOrigins,
    // Nothing reaches a Worker but through Cloudflare.
    trustedProxy: 'cloudflare',
    addressLimiter,
    quotaLimiter: sharedLimiter(ctx, quotaMemory, { borrows: false }),
    requestAnswered: observability.requestAnswered,
    metrics: observability.exposition,
    isPrepared,
    operation: remembered(() => readOperation(ctx), 'the state of operation', log),
    configured: configuredOf(env),
    health: () => ({ ...getConnectionInfo(connection), isConnected: isPrepared() }),
  });
}

/** A process would end; a Worker cannot, so it says in its log what is wrong, and answers nothing else. */
export function refuse(request: Request, problem: EnvironmentError): Response | Promise<Response> {
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
