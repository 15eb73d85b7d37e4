import { once } from 'node:events';
import { type EmbeddedMongo, startEmbeddedMongo } from 'embedded-mongo';
import mongoose from 'mongoose';
import { afterEach, describe, expect, it } from 'vitest';
import { connectDB, connectionOptions, disconnectDB, getConnectionInfo } from '@/config/database.ts';
import { systemClock } from '@/domain/clock.ts';
import { isDatabaseUnreachable } from '@/middleware/databaseErrors.ts';
import { createModels } from '@/models/index.ts';
import { keptLog } from '../support/api.ts';
import { temporaryFolder } from '../support/processes.ts';

// What happens while a server goes and comes needs a server of its own.
const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

async function serverOn(dataDir: string, port = 0): Promise<EmbeddedMongo> {
  const server = await startEmbeddedMongo({ dataDir, port });
  ended.push(() => server.stop());
  return server;
}

async function folder(): Promise<string> {
  const { path, remove } = await temporaryFolder();
  ended.push(remove);
  return path;
}

function newConnection() {
  const connection = mongoose.createConnection();
  ended.push(() => connection.close());
  return { connection, models: createModels(connection, systemClock()) };
}

describe('the log', () => {
  it('warns of a connection that was lost, and not of one that was ended', async () => {
    const dataDir = await folder();
    const lost = await serverOn(dataDir);
    const { log, lines } = keptLog();
    const warnings = () => lines.filter(({ msg }) => msg === 'the database is disconnected').length;
    const kept = newConnection();
    await connectDB({ uri: lost.uri, connection: kept.connection, log });
    await disconnectDB(kept.connection);
    expect(warnings()).toBe(0);
    const other = newConnection();
    await connectDB({ uri: lost.uri, connection: other.connection, log });
    const gone = once(other.connection, 'disconnected');
    await lost.stop();
    await gone;
    expect(warnings()).toBe(1);
  });
});

describe('an address that names no database', () => {
  it('means the database artifex', async () => {
    const server = await serverOn(await folder());
    const { connection } = newConnection();
    await connectDB({ uri: server.uri, connection });
    expect(getConnectionInfo(connection).name).toBe('artifex');
  });

  it.each([
    ['mongodb://localhost', 'artifex', undefined],
    ['mongodb://localhost/', 'artifex', undefined],
    ['mongodb://a:1,b:2/?replicaSet=rs0', 'artifex', undefined],
    ['mongodb://localhost/shop', 'shop', undefined],
    ['mongodb+srv://u:p@db.example.com/shop?w=1', 'shop', 'shop'],
    ['mongodb://u:p@localhost', 'artifex', 'admin'],
    ['mongodb+srv://u:p@db.example.com/?w=1', 'artifex', 'admin'],
    ['mongodb://u:p@localhost/?authSource=people', 'artifex', 'people'],
    ['mongodb://u:p@localhost/?authMechanism=PLAIN', 'artifex', '$external'],
    ['mongodb://u@localhost/?authMechanism=MONGODB-X509&tls=true', 'artifex', '$external'],
  ])('%s: %s, and whom it names is known to %s, as the driver has it', (uri, name, source) => {
    const { dbName, authSource } = connectionOptions(uri);
    const { options } = new mongoose.mongo.MongoClient(uri, {
      ...(dbName && { dbName }),
      ...(authSource && { authSource }),
    });
    expect([options.dbName, options.credentials?.source]).toEqual([name, source]);
    expect(options.credentials?.source).toBe(new mongoose.mongo.MongoClient(uri).options.credentials?.source);
  });
});

describe('connectDB', () => {
  it('resolves when every collection and index stands, so that the first write meets its unique key', async () => {
    const server = await serverOn(await folder());
    const { connection, models } = newConnection();
    await connectDB({ uri: server.uriFor('fresh'), connection });
    for (const model of Object.values(models)) {
      const wanted = model.schema.indexes().length + 1;
      expect(await model.collection.indexes()).toHaveLength(wanted);
    }
    expect(getConnectionInfo(connection)).toMatchObject({
      isConnected: true,
      state: 'connected',
      host: '127.0.0.1',
      port: server.port,
      name: 'fresh',
      models: Object.keys(models),
    });
  });

  it('tries again until the server is there, says so, and then works', async () => {
    const dataDir = await folder();
    const first = await serverOn(dataDir);
    await first.stop();
    const { connection } = newConnection();
    const { log, lines } = keptLog();
    const uri = `mongodb://127.0.0.1:${first.port}/late?directConnection=true&serverSelectionTimeoutMS=100`;
    const connecting = connectDB({ uri, connection, log });
    while (!lines.some(({ msg }) => msg === 'the database is out of reach')) await new Promise(setImmediate);
    expect(getConnectionInfo(connection).isConnected).toBe(false);
    await serverOn(dataDir, first.port);
    await connecting;
    expect(getConnectionInfo(connection).isConnected).toBe(true);
    expect(lines.map(({ msg }) => msg)).toContain('the database is connected');
  });

  it('gives up after the attempts that it was allowed, with the reason', async () => {
    const { connection } = newConnection();
    const uri = 'mongodb://127.0.0.1:9/none?serverSelectionTimeoutMS=50';
    const error = await connectDB({ uri, connection, attempts: 2 }).catch((reason: unknown) => reason);
    expect(isDatabaseUnreachable(error)).toBe(true);
  });

  it('gives up when it is told to', async () => {
    const { connection } = newConnection();
    const stop = new AbortController();
    const uri = 'mongodb://127.0.0.1:9/none?serverSelectionTimeoutMS=50';
    const connecting = connectDB({ uri, connection, signal: stop.signal });
    stop.abort(new Error('No longer wanted'));
    await expect(connecting).rejects.toThrow('No longer wanted');
  });
});

describe('a connection', () => {
  it('fails its commands at once while the server has never been reached, instead of keeping them', async () => {
    const { connection, models } = newConnection();
    const uri = 'mongodb://127.0.0.1:9/none?serverSelectionTimeoutMS=50';
    await connectDB({ uri, connection, attempts: 1 }).catch(() => {});
    const error = await models.User.findOne().catch((reason: unknown) => reason);
    expect(isDatabaseUnreachable(error)).toBe(true);
  });

  it('writes and reads by majority whatever its address says, and otherwise does what that says', async () => {
    const server = await serverOn(await folder());
    const { connection } = newConnection();
    await connectDB({ uri: `${server.uriFor('own')}&maxPoolSize=3&w=1&appName=mine`, connection });
    const { options } = connection.getClient();
    expect(options).toMatchObject({ maxPoolSize: 3, appName: 'mine', serverSelectionTimeoutMS: 3000 });
    expect(options.writeConcern).toMatchObject({ w: 'majority' });
    expect(options.readConcern).toMatchObject({ level: 'majority' });
  });

  it('comes back by itself when the server was gone for a while, with everything that was acknowledged', async () => {
    const dataDir = await folder();
    const first = await serverOn(dataDir);
    const { connection, models } = newConnection();
    // Longer than the half second that the driver rests between two looks at a server that is away.
    const uri = `mongodb://127.0.0.1:${first.port}/back?directConnection=true&serverSelectionTimeoutMS=2000`;
    await connectDB({ uri, connection });
    await models.User.create({ clerkUserId: 'user_before' });
    process.kill(first.pid, 'SIGKILL');
    const error = await models.User.create({ clerkUserId: 'user_during' }).catch((reason: unknown) => reason);
    expect(isDatabaseUnreachable(error)).toBe(true);
    await serverOn(dataDir, first.port);
    const found = await models.User.find().lean();
    expect(found.map(({ clerkUserId }) => clerkUserId)).toEqual(['user_before']);
  });

  it('ends when it is asked to', async () => {
    const server = await serverOn(await folder());
    const { connection } = newConnection();
    await connectDB({ uri: server.uriFor('ending'), connection });
    await disconnectDB(connection);
    expect(getConnectionInfo(connection)).toMatchObject({ isConnected: false, state: 'disconnected' });
  });
});
