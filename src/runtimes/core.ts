import mongoose, { type Connection, type Types } from 'mongoose';
import { webhookBody } from '../app.ts';
import type { Billing } from '../billing/billing.ts';
import { type ConnectOptions, checkAddress, connectDB, disconnectDB } from '../config/database.ts';
import type { Env } from '../config/env.ts';
import type { Log } from '../config/log.ts';
import { systemClock } from '../domain/clock.ts';
import { WEBHOOK_LIMITS } from '../domain/webhooks.ts';
import { useKeyring } from '../encryption/connections.ts';
import { createKeyring } from '../encryption/keyring.ts';
import { createAdmitter } from '../jobs/admitter.ts';
import { createAnnouncer } from '../jobs/announcer.ts';
import { createJobs } from '../jobs/catalogue.ts';
import { startCourier } from '../jobs/courier.ts';
import type { Job, JobObserver } from '../jobs/job.ts';
import type { RunningJob } from '../jobs/repeat.ts';
import { createSettler } from '../jobs/settler.ts';
import { startWorker, type Worker } from '../jobs/worker.ts';
import { createModels } from '../models/index.ts';
import { onLedgerEntry } from '../models/statements/ledgerWatch.ts';
import { onQuotaAlert } from '../models/statements/quotaAlerts.ts';
import { createObservability, type Observability } from '../observability/observability.ts';
import type { Tracing } from '../observability/tracing/tracing.ts';
import { nameServers } from '../outbound/names.ts';
import { createPost } from '../outbound/post.ts';
import { createProvider } from '../providers/index.ts';
import { admitWaiting } from '../repositories/admission.ts';
import { chargingTogether } from '../repositories/charging.ts';
import { inboxDepth } from '../repositories/inbox.ts';
import { queueState } from '../repositories/queue.ts';
import { settle } from '../repositories/settlement.ts';
import { diskStorage } from '../storage/disk.ts';
import type { PictureStorage } from '../storage/port.ts';
import type { Context } from '../workflows/context.ts';
import { publishEventsOf } from '../workflows/publishEvents.ts';
import { billingOf } from './inbound.ts';
import { tracedPost } from './tracedCalls.ts';

export interface CoreOptions {
  env: Env;
  mongodbUri: string;
  log: Log;
  /** Without it nothing is traced. */
  tracing?: Tracing | null;
}

/** What every process of Artifex has, whether it serves, works or runs one command. */
export interface Core {
  ctx: Context;
  connection: Connection;
  storage: PictureStorage;
  billing: Billing;
  jobs: readonly Job[];
  /** Told of what jobs do. */
  observer: JobObserver;
  observability: Observability;
  /** Resolves when the database has been reached, and collections and indexes stand. */
  connect(options?: Pick<ConnectOptions, 'signal' | 'attempts'>): Promise<void>;
  /** Works on generations from now on. */
  startWorker(): Worker;
  /** Delivers events to the endpoints of users from now on. */
  startCourier(): RunningJob;
  /** Settles what was noticed and closes the database. After everything else has ended. */
  close(): Promise<void>;
}

/** Pictures drawn at once: drawing is bound by the processor, and the API needs its share. */
const WORKER_CONCURRENCY = 2;

/** @throws {EnvironmentError} for an address that the driver does not take */
export function createCore({ env, mongodbUri, log, tracing = null }: CoreOptions): Core {
  checkAddress(mongodbUri);
  const clock = systemClock(env.clockOffsetSeconds);
  const connection = mongoose.createConnection();
  useKeyring(connection, createKeyring(env.fieldEncryptionKeys));
  const observability = createObservability({ log, slowQueryMs: env.slowQueryMs, tracing });
  const store = { models: createModels(connection, clock), clock };
  const storage = diskStorage(env.storage.directory);
  let wakeCourier: () => void = () => {};
  const announcer = createAnnouncer(async (ids) => {
    const published = await publishEventsOf(store, ids);
    if (published.deliveries > 0) wakeCourier();
    return published;
  }, log);
  let wakeWorker: () => void = () => {};
  const wake = () => wakeWorker();
  const admitter = createAdmitter((userIds) => admitWaiting(store, userIds), wake, log);
  const settler = createSettler(settleAndWake, log, observability.jobs);
  const queue = { ...admitter, wake, leasesLost: observability.queue.leasesLost };
  const ctx: Context = {
    ...store,
    log,
    charging: chargingTogether(store),
    settler,
    queue,
    announcer,
    courier: { wake: () => wakeCourier() },
  };
  const billing = billingOf(env, ctx, observability);
  observability.watchConnection(connection);
  onQuotaAlert(store, observability.alertQuota);
  onLedgerEntry(store, observability.entryRecorded);
  observability.watchProcess();
  observability.queue.watch(() => queueState(store));
  observability.inbox.watch(() => inboxDepth(store));

  async function settleAndWake(userIds: Types.ObjectId[]) {
    const settled = await settle(store, userIds);
    if (settled.generationsAdmitted > 0) wake();
    return settled;
  }

  return {
    ctx,
    connection,
    storage,
    billing,
    jobs: createJobs({ ctx, storage, cleanup: env.cleanup, billing: billing.deps }),
    observer: observability.jobs,
    observability,
    async connect(options) {
      await connectDB({ uri: mongodbUri, connection, log, monitorCommands: true, ...options });
    },
    startWorker() {
      const provider = createProvider(providerConfigOf(env, tracing));
      const worker = startWorker({ ctx, provider, storage, concurrency: WORKER_CONCURRENCY });
      wakeWorker = worker.wake;
      return worker;
    },
    startCourier() {
      const { allowLoopback } = env.webhooks;
      const post = tracedPost(
        tracing,
        createPost({ resolve: nameServers(), allowLoopback, timeoutMs: WEBHOOK_LIMITS.timeoutMs }),
      );
      const courier = startCourier({ store, log, post, bodyOf: webhookBody, observer: observability.webhooks });
      wakeCourier = courier.wake;
      return courier;
    },
    async close() {
      await admitter.entered();
      await announcer.drained();
      await settler.drained();
      await disconnectDB(connection);
      await tracing?.stop();
    },
  };
}

function providerConfigOf({ images }: Env, tracing: Tracing | null) {
  if (images.provider === 'procedural') return { kind: 'procedural' } as const;
  const { baseUrl, apiKey, model, timeoutSeconds } = images;
  return {
    kind: 'openai',
    baseURL: baseUrl,
    apiKey,
    model,
    timeoutMs: timeoutSeconds * 1000,
    fetch: tracing?.fetch,
  } as const;
}
