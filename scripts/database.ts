import { join, resolve } from 'node:path';
import { startEmbeddedMongo } from 'embedded-mongo';
import { type Env, EnvironmentError } from '../src/config/env.ts';
import { requireWritableFolder } from '../src/config/folders.ts';
import type { Log } from '../src/config/log.ts';
import { forgetDatabase, noteDatabase, runningDatabase } from './databaseNote.ts';

export interface Database {
  uri: string;
  /** The one of `MONGODB_URI`; the embedded one, run by this process; the embedded one, run by another process of the data folder. */
  kind: 'given' | 'own' | 'shared';
  /** Ends what this process started; a database that others run goes on. */
  stop(): Promise<void>;
}

const DATABASE_NAME = 'artifex';
/** Milliseconds to wait for a data folder that another process holds. */
const PATIENCE_MS = 5_000;
const RETRY_MS = 100;

/**
 * The database of the environment; without `MONGODB_URI`, the embedded one of the data folder: the one that another process of
 * the same folder runs already, else one of our own.
 *
 * @throws {EnvironmentError} in production without `MONGODB_URI`, or when the embedded database cannot start
 */
export async function openDatabase(env: Env): Promise<Database> {
  if (env.mongodbUri !== undefined) return { uri: env.mongodbUri, kind: 'given', stop: async () => {} };
  if (env.isProduction) throw new EnvironmentError('MONGODB_URI is missing: the embedded database is for development');
  const dataDir = resolve(env.dataDir);
  await requireWritableFolder('ARTIFEX_DATA_DIR', dataDir);
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (;;) {
    const running = await runningDatabase(dataDir);
    if (running) return { uri: running, kind: 'shared', stop: async () => {} };
    try {
      return await startDatabase(dataDir);
    } catch (error) {
      // The folder of a process that was killed is free a moment later; one that starts just now will note its address.
      if (performance.now() > giveUpAt) {
        throw new EnvironmentError(
          `ARTIFEX_DATA_DIR is ${env.dataDir}: ${error instanceof Error ? error.message : 'the database cannot start'}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Says what a developer may not expect of a second start. */
export function tellWhoseDatabase({ kind, uri }: Database, env: Env, log: Log): void {
  if (kind !== 'shared') return;
  log.warn('another process of this data folder runs the database; it is used here too, and ends with that process', {
    dataDir: resolve(env.dataDir),
    uri,
  });
}

async function startDatabase(dataDir: string): Promise<Database> {
  const server = await startEmbeddedMongo({ dataDir: join(dataDir, 'db') });
  const uri = server.uriFor(DATABASE_NAME);
  await noteDatabase(dataDir, uri);
  return {
    uri,
    kind: 'own',
    async stop() {
      await forgetDatabase(dataDir);
      await server.stop();
    },
  };
}
