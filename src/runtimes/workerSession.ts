import mongoose, { type Connection } from 'mongoose';
import { connectionOptions, initModels } from '../config/database.ts';
import type { Env } from '../config/env.ts';
import { errorFields, type Log } from '../config/log.ts';
import { systemClock } from '../domain/clock.ts';
import { useKeyring } from '../encryption/connections.ts';
import { createKeyring } from '../encryption/keyring.ts';
import { createSettler } from '../jobs/settler.ts';
import { createModels } from '../models/index.ts';
import type { Observability } from '../observability/observability.ts';
import { settle } from '../repositories/settlement.ts';
import type { Context } from '../workflows/context.ts';

/** What an isolate has once. */
export interface WorkerSessionDeps {
  env: Env;
  mongodbUri: string;
  log: Log;
  observability: Observability;
}

/** What one request, or one run of the schedule, has of the database. */
export interface WorkerSession {
  ctx: Context;
  connection: Connection;
  /** Whether the database has been reached and its unique indexes stand. */
  isPrepared: () => boolean;
  /** Tries once to reach the database; a failure is logged and shows in `isPrepared`. */
  connect(): Promise<void>;
  /** Settles what was noticed and closes the connection. After the answer. */
  end(): Promise<void>;
}

/** One request sends its commands one after the other. */
const POOL_SIZE = 1;

/** Has this isolate seen the indexes stand? The one thing that outlives a request: it holds no connection. */
let areIndexesBuilt = false;

/**
 * Workers refuse the use of a socket in any other request than the one that opened it, hence a connection for each.
 * https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/
 */
export function openWorkerSession({ env, mongodbUri, log, observability }: WorkerSessionDeps): WorkerSession {
  const clock = systemClock(env.clockOffsetSeconds);
  const connection = mongoose.createConnection();
  useKeyring(connection, createKeyring(env.fieldEncryptionKeys));
  const store = { models: createModels(connection, clock), clock };
  const settler = createSettler((userIds) => settle(store, userIds), log, observability.jobs);
  observability.watchConnection(connection);
  let isPrepared = false;

  return {
    // Nobody in a Worker waits for generations: they are drawn by processes elsewhere.
    ctx: { ...store, log, settler, queue: { wake() {} }, alertQuota: observability.alertQuota },
    connection,
    isPrepared: () => isPrepared,
    async connect() {
      try {
        const options = { ...connectionOptions(mongodbUri), maxPoolSize: POOL_SIZE, monitorCommands: true };
        await connection.openUri(mongodbUri, options);
        await buildIndexesOnce(connection);
        isPrepared = true;
      } catch (error) {
        log.warn('the database is out of reach', errorFields(error));
      }
    },
    async end() {
      await settler.drained();
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
