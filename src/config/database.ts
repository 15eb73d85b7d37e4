import mongoose, { type Connection } from 'mongoose';
import { hasKeyring, useKeyring } from '../encryption/connections.ts';
import { createKeyring } from '../encryption/keyring.ts';
import { EnvironmentError, readEnv } from './env.ts';
import { errorFields, type Log } from './log.ts';
import { namesDatabase } from './mongodbUri.ts';

export interface ConnectOptions {
  /** A `mongodb://` address; without it, `MONGODB_URI`. One that names no database means `artifex`. */
  uri?: string;
  /** Without it, Mongoose's default connection, on which the models of `@/models` live. */
  connection?: Connection;
  log?: Log;
  /** Makes the connection tell of every command, for whoever has begun to listen. */
  monitorCommands?: boolean;
  /** Gives up trying, for example at shutdown. */
  signal?: AbortSignal;
  /** How often to try; without it, until it works. */
  attempts?: number;
}

/** What is known of a connection, without asking the database. */
export interface ConnectionInfo {
  isConnected: boolean;
  state: 'disconnected' | 'connected' | 'connecting' | 'disconnecting' | 'uninitialized';
  host: string | null;
  port: number | null;
  name: string | null;
  models: string[];
}

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 5_000;

/**
 * What holds for every connection of Artifex, whatever its address says. An acknowledged write is on a majority of the
 * members and no read sees what could be rolled back (https://www.mongodb.com/docs/manual/reference/write-concern/); a command that
 * finds no connection fails at once instead of waiting in a buffer, so that a request can answer 503.
 */
const FIXED_OPTIONS = {
  bufferCommands: false,
  autoIndex: false,
  autoCreate: false,
  writeConcern: { w: 'majority' },
  readConcern: { level: 'majority' },
} as const satisfies mongoose.ConnectOptions;

/** What an address may say otherwise. */
const DEFAULT_OPTIONS = {
  maxPoolSize: 32,
  serverSelectionTimeoutMS: 3_000,
  socketTimeoutMS: 20_000,
  appName: 'artifex',
} as const satisfies mongoose.ConnectOptions;

/** The database of an address that names none, for which the driver would take `test`. */
const DATABASE_NAME = 'artifex';

/** How to connect to that address: what it says itself stands, since the driver would let these options win. */
export function connectionOptions(uri: string): mongoose.ConnectOptions {
  const said = optionsOf(uri);
  const defaults = Object.entries(DEFAULT_OPTIONS).filter(([name]) => !said.has(name.toLowerCase()));
  return { ...Object.fromEntries(defaults), ...databaseOptions(uri, said), ...FIXED_OPTIONS };
}

/** What an address says behind its question mark, by names in small letters. */
function optionsOf(uri: string): ReadonlyMap<string, string> {
  const options = new URLSearchParams(uri.split('?')[1] ?? '');
  return new Map([...options].map(([name, value]) => [name.toLowerCase(), value]));
}

/**
 * Who is in the address is known to `admin` where it names no database
 * (https://www.mongodb.com/docs/manual/reference/connection-string-options/#mongodb-urioption-urioption.authSource); the driver would ask
 * the database of these options. The mechanisms of MONGODB-*, GSSAPI and PLAIN have a place of their own.
 */
function databaseOptions(uri: string, said: ReadonlyMap<string, string>): mongoose.ConnectOptions {
  if (namesDatabase(uri)) return {};
  const mechanism = said.get('authmechanism') ?? '';
  const isAsked = uri.includes('@') && !said.has('authsource') && !/^(?:MONGODB-|GSSAPI)/i.test(mechanism);
  const authSource = mechanism.toUpperCase() === 'PLAIN' ? '$external' : 'admin';
  return { dbName: DATABASE_NAME, ...(isAsked && { authSource }) };
}

/**
 * Connects and builds collections and indexes: when this resolves, every unique key is guarded. While the database is out of
 * reach it tries again, ever more slowly, and says so. The default connection takes its encryption keys from
 * `FIELD_ENCRYPTION_KEYS`, unless it was given a keyring; any other connection is given one by {@link useKeyring}.
 *
 * @throws {EnvironmentError} when there is neither `uri` nor `MONGODB_URI`
 * @throws the last error when `attempts` are used up, or the signal's reason
 */
export async function connectDB(options: ConnectOptions = {}): Promise<Connection> {
  const { connection = mongoose.connection, log, signal, attempts = Number.POSITIVE_INFINITY } = options;
  const { monitorCommands = false } = options;
  const uri = options.uri ?? addressFromEnvironment();
  if (connection === mongoose.connection && !hasKeyring(connection)) {
    useKeyring(connection, createKeyring(readEnv(process.env).fieldEncryptionKeys));
  }
  if (log) logEvents(connection, log);
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      await open(connection, uri, monitorCommands);
      await initModels(connection);
      return connection;
    } catch (error) {
      if (attempt >= attempts) throw error;
      const delay = Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LONGEST_RETRY_MS);
      log?.warn('the database is out of reach', { attempt, retryInMs: delay, ...errorFields(error) });
      await pause(delay, signal);
    }
  }
}

/**
 * Lets the driver read the address, without any I/O: an option that it does not take is an error of the environment, and no
 * database that is out of reach.
 *
 * @throws {EnvironmentError}
 */
export function checkAddress(uri: string): void {
  try {
    new mongoose.mongo.MongoClient(uri);
  } catch (error) {
    throw new EnvironmentError(
      `MONGODB_URI cannot be used: ${error instanceof Error ? error.message : 'it is broken'}`,
    );
  }
}

/** Ends the connection when the commands under way have been answered. */
export async function disconnectDB(connection: Connection = mongoose.connection): Promise<void> {
  await connection.close();
}

export function getConnectionInfo(connection: Connection = mongoose.connection): ConnectionInfo {
  return {
    isConnected: connection.readyState === mongoose.ConnectionStates.connected,
    state: stateOf(connection),
    host: connection.host ?? null,
    port: connection.port ?? null,
    name: connection.name ?? null,
    models: connection.modelNames(),
  };
}

function addressFromEnvironment(): string {
  const { mongodbUri } = readEnv(process.env);
  if (mongodbUri === undefined) throw new Error('MONGODB_URI is not set; give the address of a MongoDB server.');
  return mongodbUri;
}

async function open(connection: Connection, uri: string, monitorCommands: boolean): Promise<void> {
  if (connection.readyState === mongoose.ConnectionStates.connected) return;
  const options = { ...connectionOptions(uri), ...(monitorCommands && { monitorCommands }) };
  if (connection === mongoose.connection) await mongoose.connect(uri, options);
  else await connection.openUri(uri, options);
}

/**
 * Awaited before anything is written: an insert that comes before its unique index leaves a double that the index then refuses to
 * be built over.
 */
export async function initModels(connection: Connection): Promise<void> {
  for (const model of Object.values(connection.models)) {
    await model.createCollection();
    await model.createIndexes();
  }
}

function logEvents(connection: Connection, log: Log): void {
  let isClosing = false;
  connection.on('connected', () => log.info('the database is connected', { host: connection.host }));
  connection.on('disconnecting', () => {
    isClosing = true;
  });
  // Only a connection that was lost is worth a warning.
  connection.on('disconnected', () => !isClosing && log.warn('the database is disconnected'));
  connection.on('reconnected', () => log.info('the database is connected again'));
  connection.on('error', (error: unknown) => log.error('the database connection failed', errorFields(error)));
}

function stateOf(connection: Connection): ConnectionInfo['state'] {
  switch (connection.readyState) {
    case mongoose.ConnectionStates.connected:
      return 'connected';
    case mongoose.ConnectionStates.connecting:
      return 'connecting';
    case mongoose.ConnectionStates.disconnecting:
      return 'disconnecting';
    case mongoose.ConnectionStates.uninitialized:
      return 'uninitialized';
    default:
      return 'disconnected';
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
