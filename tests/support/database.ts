import mongoose, { type Connection, Types } from 'mongoose';
import { afterAll, beforeAll, inject } from 'vitest';
import { connectDB } from '@/config/database.ts';
import { type SettableClock, settableClock } from '@/domain/clock.ts';
import type { SubscriptionTier } from '@/domain/tiers.ts';
import { useKeyring } from '@/encryption/connections.ts';
import { createKeyring } from '@/encryption/keyring.ts';
import { usersOf } from '@/models/collections.ts';
import { createModels } from '@/models/index.ts';
import type { Store } from '@/models/store.ts';
import type { User } from '@/models/User.ts';
import { gateCommands } from './commandGate.ts';

export interface TestStore extends Store {
  clock: SettableClock;
  connection: Connection;
  /** The address of its database. */
  uri: string;
}

/** Where every test's time begins. */
export const START = new Date('2026-03-10T09:00:00.000Z');

/** The address of a database of that name on the server of the tests. */
export function databaseUri(name: string): string {
  const uri = new URL(inject('mongodbServer'));
  uri.pathname = `/${name}`;
  uri.searchParams.set('monitorCommands', 'true');
  return uri.href;
}

/** The same without the events of each command, for tests that send a great many and listen to none. */
export function quietUri(name: string): string {
  const uri = new URL(databaseUri(name));
  uri.searchParams.delete('monitorCommands');
  return uri.href;
}

/**
 * A database of its own for the tests of one file, with its collections and indexes; dropped when they have ended.
 *
 * @param addressOf gives the address of a database of that name; without it, on the server of all tests
 * @param isEncrypted with keys, as in production
 */
export function useDatabase(
  addressOf: (name: string) => string | Promise<string> = databaseUri,
  isEncrypted = true,
): TestStore {
  const clock = settableClock(START);
  const connection = mongoose.createConnection();
  if (isEncrypted)
    useKeyring(connection, createKeyring([{ id: 'tests', key: btoa('0123456789abcdef0123456789abcdef') }]));
  const store = { connection, clock, models: createModels(connection, clock), uri: '' };
  beforeAll(async () => {
    store.uri = await addressOf(`test_${new Types.ObjectId().toHexString()}`);
    await connectDB({ uri: store.uri, connection, attempts: 3 });
    gateCommands(store);
  });
  afterAll(async () => {
    await connection.dropDatabase();
    await connection.close();
  });
  return store;
}

/** A new user of that tier. */
export async function signUp(store: Store, tier: SubscriptionTier = 'free'): Promise<Types.ObjectId> {
  const { _id } = await store.models.User.create({
    clerkUserId: `user_${new Types.ObjectId().toHexString()}`,
    subscriptionTier: tier,
  });
  return _id;
}

/** The user as stored, deleted or not. */
export async function readUser(store: Store, _id: Types.ObjectId): Promise<User> {
  const user = await usersOf(store).findOne({ _id });
  if (!user) throw new Error(`There is no user ${_id}`);
  return user;
}
