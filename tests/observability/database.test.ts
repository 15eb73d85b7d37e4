import mongoose from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDB } from '@/config/database.ts';
import { systemClock } from '@/domain/clock.ts';
import { createModels } from '@/models/index.ts';
import { createObservability } from '@/observability/observability.ts';
import { keptLog } from '../support/api.ts';
import { databaseUri, useDatabase } from '../support/database.ts';
import { parseExposition, sumOf } from '../support/exposition.ts';

const store = useDatabase();
const { log, lines } = keptLog();
const connection = mongoose.createConnection();
const { User } = createModels(connection, systemClock());
const observability = createObservability({ log, slowQueryMs: 0 });

beforeAll(async () => {
  observability.watchConnection(connection);
  await connectDB({ uri: databaseUri(store.connection.name), connection, monitorCommands: true, attempts: 3 });
});
afterAll(() => connection.close());

const samples = async () => parseExposition((await observability.exposition()).text);
const COUNT = 'artifex_database_command_duration_seconds_count';

describe('the metrics of the database', () => {
  it('count commands by name and collection', async () => {
    const before = sumOf(await samples(), COUNT, { command: 'find', collection: 'users' });
    await User.findOne({ email: 'ada@example.com' });
    await User.findOne({ email: 'bob@example.com' });
    expect(sumOf(await samples(), COUNT, { command: 'find', collection: 'users' })).toBe(before + 2);
  });

  it('count errors by code, also those of single writes in a reply that is ok', async () => {
    await User.create({ clerkUserId: 'user_twice' });
    await expect(User.create({ clerkUserId: 'user_twice' })).rejects.toThrow(/E11000/);
    await expect(connection.db?.command({ find: 'users', filter: { $nonsense: 1 } })).rejects.toThrow();
    const found = await samples();
    expect(sumOf(found, 'artifex_database_errors_total', { command: 'insert', code: '11000' })).toBe(1);
    expect(sumOf(found, 'artifex_database_errors_total', { command: 'find', code: '2' })).toBe(1);
  });

  it('follow the pool: commands under way hold connections, others wait for one', async () => {
    const small = mongoose.createConnection();
    const watched = createObservability({ log, slowQueryMs: 1e9 });
    watched.watchConnection(small);
    await connectDB({
      uri: `${databaseUri(store.connection.name)}&maxPoolSize=2`,
      connection: small,
      monitorCommands: true,
    });
    const gauge = async (name: string) => sumOf(parseExposition((await watched.exposition()).text), name);
    const commands = Array.from({ length: 6 }, () => small.db?.command({ ping: 1 }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(await gauge('artifex_database_pool_waiting')).toBeGreaterThanOrEqual(4);
    await Promise.all(commands);
    expect(await gauge('artifex_database_pool_size')).toBeGreaterThan(0);
    expect(await gauge('artifex_database_pool_size')).toBeLessThanOrEqual(2);
    expect(await gauge('artifex_database_pool_checked_out')).toBe(0);
    expect(await gauge('artifex_database_pool_waiting')).toBe(0);
    await small.close();
    expect(await gauge('artifex_database_pool_size')).toBe(0);
  });

  it('have few labels, whatever is asked and whatever fails', async () => {
    for (let index = 0; index < 60; index += 1) {
      await connection.collection(`anything_${index}`).findOne({ x: index });
      await connection.db?.command({ [`nonsense${index}`]: 1 }).catch(() => undefined);
    }
    const found = await samples();
    expect(sumOf(found, COUNT, { collection: 'other' })).toBeGreaterThanOrEqual(60);
    expect(JSON.stringify(found)).not.toMatch(/anything_|nonsense/);
    const series = found.filter(({ name }) => name === COUNT);
    const collections = new Set(series.map(({ labels }) => labels['collection']));
    expect(collections.size).toBeLessThanOrEqual(Object.keys(connection.models).length + 2);
  });
});

describe('the log of slow queries', () => {
  it('tells command, collection, time and shape, and nothing that was asked for', async () => {
    lines.length = 0;
    await User.findOne({ email: 'secret-address@example.com', name: { $in: ['secret-name'] } }).sort({ createdAt: -1 });
    const slow = lines.filter(({ msg, command }) => msg === 'slow query' && command === 'find');
    expect(slow).toEqual([
      {
        level: 'warn',
        time: expect.any(String),
        msg: 'slow query',
        command: 'find',
        collection: 'users',
        milliseconds: expect.any(Number),
        shape: '{filter: {email: ?, name: {$in: ?}, isDeleted: ?}, sort: {createdAt: ?}, limit: ?}',
      },
    ]);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  it('leaves out the wait for a change, and so do the durations, which count what is read of any other cursor', async () => {
    lines.length = 0;
    await User.insertMany([1, 2, 3].map((number) => ({ clerkUserId: `user_read_${number}` })));
    const getMore = { command: 'getMore', collection: 'users' };
    const before = sumOf(await samples(), COUNT, getMore);
    const changes = User.collection.watch([], { maxAwaitTimeMS: 20 });
    // The first tells that it is open; the second waits for 20 milliseconds, in vain.
    expect([await changes.tryNext(), await changes.tryNext()]).toEqual([null, null]);
    await changes.close();
    await User.find().batchSize(2).cursor().toArray();
    const slow = lines.filter(({ msg, command }) => msg === 'slow query' && command === 'getMore');
    expect(slow.length).toBeGreaterThan(0);
    expect(sumOf(await samples(), COUNT, getMore)).toBe(before + slow.length);
    expect(JSON.stringify(slow)).not.toContain('maxTimeMS');
  });

  it('holds only what took as long as it says', async () => {
    const { log: quiet, lines: none } = keptLog();
    const patient = mongoose.createConnection();
    const watched = createObservability({ log: quiet, slowQueryMs: 3_600_000 });
    watched.watchConnection(patient);
    await connectDB({ uri: databaseUri(store.connection.name), connection: patient, monitorCommands: true });
    await patient.db?.command({ ping: 1 });
    await patient.close();
    expect(none.filter(({ msg }) => msg === 'slow query')).toEqual([]);
  });
});
