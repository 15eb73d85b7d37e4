import mongoose, { type Connection } from 'mongoose';
import { connectionOptions, initModels } from '../config/database.ts';
import type { Env } from '../config/env.ts';
import { errorFields, type Log } from '../config/log.ts';
import { systemClock } from '../domain/clock.ts';
import { useKeyring } from '../encryption/connections.ts';
import { createKeyring } from '../encryption/keyring.ts';
import { createAdmitter } from '../jobs/admitter.ts';
import { createAnnouncer } from '../jobs/announcer.ts';
import { createGenerationWatch } from '../jobs/generationWatch.ts';
import type { RunningJob } from '../jobs/repeat.ts';
import { createSettler } from '../jobs/settler.ts';
import { createModels } from '../models/index.ts';
import { onLedgerEntry } from '../models/statements/ledgerWatch.ts';
import { onQuotaAlert } from '../models/statements/quotaAlerts.ts';
import type { Observability } from '../observability/observability.ts';
import { admitWaiting } from '../repositories/admission.ts';
import { chargingAlone } from '../repositories/charging.ts';
import { settle } from '../repositories/settlement.ts';
import type { Context } from '../workflows/context.ts';
import type { GenerationWatch } from '../workflows/followGeneration.ts';
import { publishEventsOf } from '../workflows/publishEvents.ts';
import { billingOf, createInbound, type Inbound } from './inbound.ts';

/** What an isolate has once. */
export interface WorkerSessionDeps {
  env: Env;
  mongodbUri: string;
  log: Log;
  observability: Observability;
}

/** What one request, one run of the schedule, or one object has of the database. */
export interface WorkerSession {
  ctx: Context;
  connection: Connection;
  watch: GenerationWatch;
  inbound: Inbound;
  /** Whether the database has been reached and its unique indexes stand. */
  isPrepared: () => boolean;
  /** Tries once to reach the database, unless it has been reached; a failure is logged and shows in `isPrepared`. */
  connect(): Promise<void>;
  /** Milliseconds since the last command, or since the session was opened. */
  idleMs(): number;
  /** Settles what was noticed and closes the connection. After the last answer. */
  end(): Promise<void>;
}

/** One request sends its commands one after the other. */
const SINGLE = { poolSize: 1, watches: false };

/** Tells of nothing: whoever follows a generation gets its present state, and comes back for the next. */
const NO_WATCH: GenerationWatch & RunningJob = {
  subscribe(_id, told) {
    told(null);
    return () => {};
  },
  async stop() {},
};

/** Asked now and then instead of told at once: one connection to each member of a replica set less. */
const WATCH = { serverMonitoringMode: 'poll' } as const;

/** Has this isolate seen the indexes stand? The one thing that outlives a request: it holds no connection. */
let areIndexesBuilt = false;

/**
 * Workers refuse the use of a socket in any other request than the one that opened it, hence a connection for each
 * (https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/), unless an object holds it.
 *
 * @param watches whether it lasts long enough to tell of what changes later
 */
export function openWorkerSession(
  { env, mongodbUri, log, observability }: WorkerSessionDeps,
  { poolSize, watches }: { poolSize: number; watches: boolean } = SINGLE,
): WorkerSession {
  const clock = systemClock(env.clockOffsetSeconds);
  const connection = mongoose.createConnection();
  useKeyring(connection, createKeyring(env.fieldEncryptionKeys));
  const store = { models: createModels(connection, clock), clock };
  const settler = createSettler((userIds) => settle(store, userIds), log, observability.jobs);
  const admitter = createAdmitter(
    (userIds) => admitWaiting(store, userIds),
    () => {},
    log,
  );
  const announcer = createAnnouncer((ids) => publishEventsOf(store, ids), log);
  observability.watchConnection(connection);
  onQuotaAlert(store, observability.alertQuota);
  onLedgerEntry(store, observability.entryRecorded);
  // Nobody in a Worker waits for generations or deliveries: they are drawn, and sent, by processes elsewhere.
  const ctx: Context = {
    ...store,
    log,
    charging: chargingAlone(store),
    settler,
    queue: { ...admitter, wake() {}, leasesLost: observability.queue.leasesLost },
    announcer,
    courier: { wake() {} },
  };
  const inbound = createInbound(env, ctx, observability, billingOf(env, ctx, observability));
  let isPrepared = false;
  let connecting: Promise<void> | undefined;
  let usedAt = performance.now();

  async function tryToConnect(): Promise<void> {
    try {
      const options = { ...connectionOptions(mongodbUri), maxPoolSize: poolSize, monitorCommands: true, ...WATCH };
      await connection.openUri(mongodbUri, options);
      connection.getClient().on('commandStarted', () => {
        usedAt = performance.now();
      });
      await buildIndexesOnce(connection);
      isPrepared = true;
    } catch (error) {
      log.warn('the database is out of reach', errorFields(error));
    } finally {
      connecting = undefined;
    }
  }

  const watch = watches ? createGenerationWatch(ctx, observability.streamsChanged) : NO_WATCH;

  return {
    ctx,
    connection,
    watch,
    inbound,
    isPrepared: () => isPrepared,
    async connect() {
      if (isPrepared) return;
      // Requests that come together wait for one attempt.
      connecting ??= tryToConnect();
      await connecting;
    },
    idleMs: () => performance.now() - usedAt,
    async end() {
      await watch.stop();
      await inbound.inbox.drained();
      await admitter.entered();
      await settler.drained();
      await announcer.drained();
      // `close()` would leave the connection in Mongoose's own list, which grows with every request.
      await connection.destroy();
    },
  };
}

async function buildIndexesOnce(connection: Connection): Promise<void> {
  if (areIndexesBuilt) return;
  await initModels(connection);
  areIndexesBuilt = true;
}
