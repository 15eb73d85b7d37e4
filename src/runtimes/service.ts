import { createApp } from '../app.ts';
import { getConnectionInfo } from '../config/database.ts';
import type { Env } from '../config/env.ts';
import { requireWritableFolder } from '../config/folders.ts';
import type { Log } from '../config/log.ts';
import { perMinute } from '../domain/rateLimit.ts';
import { openDevelopmentKey } from '../identity/developmentKey.ts';
import { createIdentities } from '../identity/identities.ts';
import { clerkProfiles, noProfiles, type ProfileSource } from '../identity/profiles.ts';
import { clerkTrust, developmentTrust, type SessionTrust } from '../identity/sessionTrust.ts';
import { createGenerationWatch } from '../jobs/generationWatch.ts';
import { createMaintenance } from '../jobs/maintenance.ts';
import type { RunningJob } from '../jobs/repeat.ts';
import { startScheduler } from '../jobs/scheduler.ts';
import { startSweeper } from '../jobs/sweeper.ts';
import type { Peer } from '../middleware/context.ts';
import { memoryLimiter } from '../middleware/memoryLimiter.ts';
import { remembered } from '../observability/remembered.ts';
import type { Tracing } from '../observability/tracing/tracing.ts';
import { createLimitMemory, sharedLimiter } from '../repositories/sharedLimiter.ts';
import { readOperation } from '../workflows/readOperation.ts';
import { tellOfClearData } from './clearData.ts';
import { configuredOf } from './configured.ts';
import { type Core, type CoreOptions, createCore } from './core.ts';
import { createInbound } from './inbound.ts';
import { tracedProfiles } from './tracedCalls.ts';
import { openTracing } from './tracing.ts';

/** The API and its jobs in one process; only the socket is missing. */
export interface Service extends Pick<Core, 'ctx' | 'connection'> {
  fetch: (request: Request, peer?: Peer) => Response | Promise<Response>;
  /** Resolves with true when requests can be served, until when they are answered 503; with false when it was stopped before. */
  started: Promise<boolean>;
  /** Ends the event streams, between two events. Requests that wait for the end of theirs are then answered. */
  endStreams(): Promise<void>;
  /** Ends the jobs, gives leases back and closes the database. After the last request. */
  stop(): Promise<void>;
}

export async function createService(options: Omit<CoreOptions, 'tracing'>): Promise<Service> {
  const { env, log } = options;
  tellOfClearData(env, log);
  await requireWritableFolder(env.storage.variable, env.storage.directory);
  const sessions = await sessionTrustOf(env);
  const tracing = await openTracing(env, log);
  const core = createCore({ ...options, tracing });
  const { ctx, connection, storage, observability } = core;
  const watch = createGenerationWatch(ctx, observability.streamsChanged);
  const { billing, inbox, readers } = createInbound(env, ctx, observability, core.billing);
  const quotaLimiter = sharedLimiter(ctx, createLimitMemory(perMinute(env.rateLimit.quotaPerMinute)));
  const jobs: RunningJob[] = [];
  let isPrepared = false;

  const app = createApp({
    log,
    ctx,
    storage,
    corsOrigins: env.http.corsOrigins,
    trustedProxy: env.http.trustedProxy,
    addressLimiter: memoryLimiter(perMinute(env.rateLimit.addressPerMinute)),
    watch,
    billing,
    inbox,
    inbound: readers,
    quotaLimiter,
    maintenance: createMaintenance({ ctx, storage, cleanup: env.cleanup, observer: core.observer }),
    webhooks: env.webhooks,
    sessions,
    workerToken: env.worker.token,
    identities: createIdentities((isHit) => observability.cacheLookedUp('identities', isHit)),
    traceRequest: tracing?.traceRequest,
    requestAnswered: observability.requestAnswered,
    metrics: observability.exposition,
    profiles: profilesOf(env, log, tracing),
    isPrepared: () => isPrepared,
    operation: remembered(() => readOperation(ctx), 'the state of operation', log),
    configured: configuredOf(env),
    health: () => {
      const info = getConnectionInfo(connection);
      return { ...info, isConnected: info.isConnected && isPrepared };
    },
  });

  async function start(): Promise<boolean> {
    try {
      await core.connect({ signal: stopping.signal });
    } catch (error) {
      if (stopping.signal.aborted) return false;
      throw error;
    }
    isPrepared = true;
    jobs.push(startSweeper(ctx, core.observer), startScheduler(core), core.startCourier(), inbox.start());
    if (env.worker.isEnabled) jobs.push(core.startWorker());
    return true;
  }

  const stopping = new AbortController();
  const started = start();

  return {
    fetch: app.fetch,
    connection,
    ctx,
    started,
    endStreams: () => watch.stop(),
    async stop() {
      stopping.abort();
      await started;
      await watch.stop();
      await Promise.all([...jobs, quotaLimiter].map((part) => part.stop()));
      await core.close();
    },
  };
}

function profilesOf({ clerk }: Env, log: Log, tracing: Tracing | null): ProfileSource {
  const { secretKey, apiUrl } = clerk;
  return secretKey === undefined ? noProfiles : tracedProfiles(tracing, clerkProfiles({ secretKey, apiUrl }, log));
}

async function sessionTrustOf(env: Env): Promise<SessionTrust> {
  const trust = clerkTrust(env.clerk);
  if (trust) return trust;
  await requireWritableFolder('ARTIFEX_DATA_DIR', env.dataDir);
  const { publicKeyPem } = await openDevelopmentKey(env.dataDir);
  return developmentTrust(publicKeyPem);
}
