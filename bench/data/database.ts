import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedMongo } from 'embedded-mongo';
import mongoose, { type Connection, Types } from 'mongoose';
import { connectDB, disconnectDB } from '../../src/config/database.ts';
import { systemClock } from '../../src/domain/clock.ts';
import { useKeyring } from '../../src/encryption/connections.ts';
import { createKeyring } from '../../src/encryption/keyring.ts';
import { createModels } from '../../src/models/index.ts';
import type { Store } from '../../src/models/store.ts';

/** A server, and on it a database that only this benchmark uses. */
export interface BenchDatabase {
  uri: string;
  /** The process of the server, where it is the embedded one. */
  serverPid: number | null;
  /** Drops the database; ends the server if it is the embedded one. */
  remove(): Promise<void>;
}

export type BenchStore = Store & { connection: Connection };

/** On the server of `MONGODB_URI`, else on an embedded one that writes to a data folder as that of `npm start` does. */
export async function createDatabase(): Promise<BenchDatabase> {
  const name = `artifex_bench_${new Types.ObjectId().toHexString()}`;
  const given = process.env['MONGODB_URI'];
  if (given !== undefined && given !== '') {
    const uri = withDatabase(given, name);
    return { uri, serverPid: null, remove: () => drop(uri) };
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'artifex-bench-'));
  const server = await startEmbeddedMongo({ dataDir });
  return {
    uri: server.uriFor(name),
    serverPid: server.pid,
    async remove() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Connected as every process of Artifex is; `monitorCommands` where commands are to be counted. */
export async function openStore({ uri }: BenchDatabase, { monitorCommands = false } = {}): Promise<BenchStore> {
  const clock = systemClock();
  const connection = mongoose.createConnection();
  useKeyring(connection, createKeyring([{ id: 'bench', key: btoa('0123456789abcdef0123456789abcdef') }]));
  const store = { connection, clock, models: createModels(connection, clock) };
  await connectDB({ uri, connection, monitorCommands, attempts: 3 });
  return store;
}

/** The same server with another database; who was known to the one that stood there is still to be asked for there. */
function withDatabase(uri: string, name: string): string {
  const [, server = '', database = '', search = ''] =
    /^(mongodb(?:\+srv)?:\/\/[^/?#]+)(?:\/([^?#]*))?(?:\?(.*))?$/.exec(uri) ?? [];
  if (server === '') throw new Error('MONGODB_URI is not a MongoDB address');
  const options = new URLSearchParams(search);
  if (server.includes('@') && !options.has('authSource')) options.set('authSource', database || 'admin');
  return `${server}/${name}?${options}`;
}

async function drop(uri: string): Promise<void> {
  const connection = mongoose.createConnection();
  await connectDB({ uri, connection, attempts: 3 });
  await connection.dropDatabase();
  await disconnectDB(connection);
}
