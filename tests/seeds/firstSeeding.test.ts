import mongoose from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import { connectDB } from '@/config/database.ts';
import { createModels } from '@/models/index.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { endFirstSeeding, seedFirst } from '../../seeds/firstSeeding.ts';
import { SEED_PEOPLE } from '../../seeds/people.ts';
import { cleanup } from '../../seeds/seed.ts';
import { databaseUri, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
beforeEach(async () => {
  for (const collection of await store.connection.listCollections()) {
    await store.connection.collection(collection.name).deleteMany({});
  }
});

const people = () => store.models.User.countDocuments({ clerkUserId: /^user_test_/ });

/** Seeds by a connection that is gone when the second person's user would be stored. */
async function cutOff(): Promise<void> {
  const connection = mongoose.createConnection();
  const models = createModels(connection, store.clock);
  await connectDB({ uri: databaseUri(store.connection.name), connection, attempts: 3 });
  const client = connection.getClient();
  let users = 0;
  client.on('commandStarted', ({ command }) => {
    if (command['insert'] !== models.User.collection.collectionName) return;
    users += 1;
    if (users === 2) void client.close(true);
  });
  await expect(seedFirst({ models, clock: store.clock })).rejects.toThrow();
  await connection.destroy();
  expect(await people()).toBeLessThan(SEED_PEOPLE.length);
}

describe('the first seeding', () => {
  it('is done once, in a database without users', async () => {
    expect(await seedFirst(store)).toMatchObject({ users: SEED_PEOPLE.length });
    expect(await seedFirst(store)).toBeNull();
  });

  it('is not done where there are users', async () => {
    await signUp(store);
    expect(await seedFirst(store)).toBeNull();
    expect(await people()).toBe(0);
  });

  it('is completed where it was cut off between two people, also when somebody has signed up meanwhile', async () => {
    await cutOff();
    await signUp(store);
    expect(await seedFirst(store)).toMatchObject({ users: expect.any(Number) });
    expect(await people()).toBe(SEED_PEOPLE.length);
    expect((await verifyLedger(store)).violations).toEqual([]);
    expect(await seedFirst(store)).toBeNull();
  });

  it('does not come back to a developer who has removed the seeds and works with other users', async () => {
    await cutOff();
    await endFirstSeeding(store);
    await cleanup(store);
    await signUp(store);
    expect(await seedFirst(store)).toBeNull();
    expect(await people()).toBe(0);
  });
});
