import { access, constants, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { startEmbeddedMongo } from 'embedded-mongo';
import { type Env, EnvironmentError } from '../src/config/env.ts';

export interface Database {
  uri: string;
  /** Whether it is the embedded one, of the data folder. */
  isEmbedded: boolean;
  /** Ends what this process started; a database that others run goes on. */
  stop(): Promise<void>;
}

const DATABASE_NAME = 'artifex';
const PROBE_MS = 1_000;
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
  if (env.mongodbUri !== undefined) return { uri: env.mongodbUri, isEmbedded: false, stop: async () => {} };
  if (env.isProduction) throw new EnvironmentError('MONGODB_URI is missing: the embedded database is for development');
  await makeFolder(env.dataDir);
  const note = join(env.dataDir, 'database.address');
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (;;) {
    const running = await runningAddress(note);
    if (running) return { uri: running, isEmbedded: true, stop: async () => {} };
    try {
      return await startDatabase(env.dataDir, note);
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

async function makeFolder(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
    await access(dataDir, constants.W_OK);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown';
    throw new EnvironmentError(`ARTIFEX_DATA_DIR is ${dataDir}: it cannot be used as a folder (${why})`);
  }
}

async function startDatabase(dataDir: string, note: string): Promise<Database> {
  const server = await startEmbeddedMongo({ dataDir: join(dataDir, 'db') });
  const uri = server.uriFor(DATABASE_NAME);
  await writeFile(note, uri);
  return {
    uri,
    isEmbedded: true,
    async stop() {
      await rm(note, { force: true });
      await server.stop();
    },
  };
}

/** The noted address, if somebody answers there: after a crash the note outlives its server. */
async function runningAddress(note: string): Promise<string | null> {
  const uri = await readFile(note, 'utf8').catch(() => null);
  if (uri === null) return null;
  const { hostname, port } = new URL(uri);
  return (await answers(hostname, Number(port))) ? uri : null;
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: PROBE_MS });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
