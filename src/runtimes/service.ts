import mongoose, { type Connection } from 'mongoose';
import { createApp } from '../app.ts';
import { connectDB, disconnectDB, getConnectionInfo } from '../config/database.ts';
import type { Env } from '../config/env.ts';
import type { Log } from '../config/log.ts';
import { systemClock } from '../domain/clock.ts';
import { openDevelopmentKey } from '../identity/developmentKey.ts';
import { createIdentities } from '../identity/identities.ts';
import { clerkProfiles, noProfiles } from '../identity/profiles.ts';
import { clerkTrust, developmentTrust, type SessionTrust } from '../identity/sessionTrust.ts';
import { type RunningJob, repeat } from '../jobs/repeat.ts';
import { createSettler } from '../jobs/settler.ts';
import { startWorker } from '../jobs/worker.ts';
import { createModels } from '../models/index.ts';
import { createProvider } from '../providers/index.ts';
import { settle } from '../repositories/settlement.ts';
import { diskStorage } from '../storage/disk.ts';
import type { Context } from '../workflows/context.ts';
import { sweep } from '../workflows/sweep.ts';

/** All of Artifex in one process, but for the socket. */
export interface Service {
  fetch: (request: Request) => Response | Promise<Response>;
  connection: Connection;
  ctx: Context;
  /** Resolves when the database has been reached, collections and indexes stand, and the jobs run. */
  started: Promise<void>;
  /** Ends the jobs, gives leases back, settles what was noticed, closes the database. After the last request. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  env: Env;
  mongodbUri: string;
  log: Log;
}

const SWEEP_INTERVAL_MS = 5_000;
/** Pictures drawn at once: drawing is bound by the processor, and the API needs its share. */
const WORKER_CONCURRENCY = 2;

/** Puts the service together. It serves at once, and answers 503 until the database can be used. */
export async function createService({ env, mongodbUri, log }: ServiceOptions): Promise<Service> {
  const clock = systemClock(env.clockOffsetSeconds);
  const connection = mongoose.createConnection();
  const store = { models: createModels(connection, clock), clock };
  const settler = createSettler((userIds) => settle(store, userIds), log);
  const storage = diskStorage(env.storage.directory);
  const jobs: RunningJob[] = [];
  let wake = () => undefined as void;
  const ctx: Context = { ...store, settler, queue: { wake: () => wake() } };
  let isPrepared = false;

  const app = createApp({
    log,
    ctx,
    storage,
    sessions: await sessionTrustOf(env),
    identities: createIdentities(),
    profiles: env.clerk.secretKey === undefined ? noProfiles : clerkProfiles(env.clerk.secretKey, log),
    isPrepared: () => isPrepared,
    health: () => {
      const info = getConnectionInfo(connection);
      return { ...info, isConnected: info.isConnected && isPrepared };
    },
  });

  const stopping = new AbortController();
  const started = start();
  started.catch(() => undefined);

  async function start(): Promise<void> {
    await connectDB({ uri: mongodbUri, connection, log, signal: stopping.signal });
    isPrepared = true;
    jobs.push(repeat('sweep', SWEEP_INTERVAL_MS, log, () => sweepAndTell(ctx, log)));
    if (!env.worker.isEnabled) return;
    const provider = createProvider(providerConfigOf(env));
    const worker = startWorker({ ctx, provider, storage, log, concurrency: WORKER_CONCURRENCY });
    wake = worker.wake;
    jobs.push(worker);
  }

  return {
    fetch: app.fetch,
    connection,
    ctx,
    started,
    async stop() {
      stopping.abort(new Error('Stopped before the database was reached'));
      await started.catch(() => undefined);
      await Promise.all(jobs.map((job) => job.stop()));
      await settler.drained();
      await disconnectDB(connection);
    },
  };
}

async function sweepAndTell(ctx: Context, log: Log): Promise<void> {
  const swept = await sweep(ctx);
  if (Object.values(swept).some((count) => count > 0)) log.info('swept', { ...swept });
}

async function sessionTrustOf(env: Env): Promise<SessionTrust> {
  const trust = clerkTrust(env.clerk);
  if (trust) return trust;
  const { publicKeyPem } = await openDevelopmentKey(env.dataDir);
  return developmentTrust(publicKeyPem);
}

function providerConfigOf({ images }: Env) {
  if (images.provider === 'procedural') return { kind: 'procedural' } as const;
  const { baseUrl, apiKey, model, timeoutSeconds } = images;
  return { kind: 'openai', baseURL: baseUrl, apiKey, model, timeoutMs: timeoutSeconds * 1000 } as const;
}
