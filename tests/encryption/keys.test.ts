import mongoose, { Types } from 'mongoose';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectDB, disconnectDB } from '@/config/database.ts';
import { settableClock } from '@/domain/clock.ts';
import { useKeyring } from '@/encryption/connections.ts';
import { createKeyring } from '@/encryption/keyring.ts';
import { isDuplicateKey } from '@/models/duplicateKey.ts';
import { createModels, SubscriptionModel } from '@/models/index.ts';
import { databaseUri, START, useDatabase } from '../support/database.ts';
import { expectSealed, keyOf, newSubscription, rawSubscriptions, SECRET, storedOf, useKeys } from './support.ts';

const store = useDatabase();
const { Subscription } = store.models;

async function refusalOf(reading: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(reading).then(
    () => 'nothing was refused',
    (reason: unknown) => reason,
  );
}

describe('a ring of keys', () => {
  it('reads what older keys encrypted, finds it, and writes under the newest', async () => {
    useKeys(store, 'k1');
    const given = newSubscription();
    const { _id } = await Subscription.create(given);
    useKeys(store, 'k2', 'k1');
    const found = await Subscription.findOne({ stripeSubscriptionId: given.stripeSubscriptionId }).orFail();
    expect(found.toObject()).toMatchObject(given);
    found.stripeCustomerId = `cus_${SECRET}Newer`;
    await found.save();
    const stored = await storedOf(store, _id);
    expect(stored.stripeCustomerId).toMatch(/^enc\.1\.k2\./);
    expect(stored.stripeSubscriptionId).toMatch(/^enc\.1\.k1\./);
    expect(stored.fieldEncryption?.keys).toEqual(['k1', 'k2']);
  });

  it('keeps a Stripe id unique whatever key it is under', async () => {
    const { stripeSubscriptionId } = newSubscription();
    const twin = () => Subscription.create({ ...newSubscription(), stripeSubscriptionId });
    useKeys(store, 'k1');
    await twin();
    for (const ring of [['k1'], ['k1', 'k2'], ['k2', 'k1']]) {
      useKeys(store, ...ring);
      expect(isDuplicateKey(await refusalOf(twin()))).toBe(true);
    }
  });

  it('that lacks a key refuses what is under it, by name and with nothing of the value', async () => {
    useKeys(store, 'k1');
    const { _id } = await Subscription.create(newSubscription());
    const stored = await storedOf(store, _id);
    for (const ring of [['k2'], []]) {
      useKeys(store, ...ring);
      for (const reading of [
        Subscription.findById(_id),
        Subscription.findById(_id).lean(),
        Subscription.findOneAndUpdate({ _id }, { cancelAtPeriodEnd: true }),
        Subscription.aggregate([{ $match: { _id } }]),
      ]) {
        const error = await refusalOf(reading);
        expect(error).toMatchObject({ name: 'DecryptionError', code: 'unavailable', reason: 'unknown_key' });
        expect(String(error)).toContain('k1');
        expect(String(error)).not.toContain(SECRET);
        expect(String(error)).not.toContain(stored.stripeCustomerId);
      }
      expect(await Subscription.findById(_id).select('tier').lean()).toMatchObject({ tier: 'plus' });
    }
  });

  it('refuses a value that was changed, or moved to another field', async () => {
    useKeys(store, 'k1');
    const { _id } = await Subscription.create(newSubscription());
    const { stripeCustomerId, stripeSubscriptionId } = await storedOf(store, _id);
    for (const value of [stripeSubscriptionId, `${stripeCustomerId}`.slice(0, -2), 'enc.2.k1.x.y', 'enc.']) {
      await rawSubscriptions(store).updateOne({ _id }, { $set: { stripeCustomerId: value } });
      expect(await refusalOf(Subscription.findById(_id))).toMatchObject({ name: 'DecryptionError', code: 'internal' });
    }
  });

  it('belongs to its connection', async () => {
    useKeys(store, 'k1');
    const given = newSubscription();
    await Subscription.create(given);
    const connection = mongoose.createConnection();
    const other = createModels(connection, settableClock(START)).Subscription;
    useKeyring(connection, createKeyring([keyOf('k2')]));
    await connectDB({ uri: databaseUri(store.connection.name), connection });
    try {
      const { _id } = await other.create(newSubscription());
      await expectSealed(store, _id, 'metadata');
      expect((await storedOf(store, _id)).fieldEncryption?.keys).toEqual(['k2']);
      expect(await Subscription.findOne({ stripeCustomerId: given.stripeCustomerId }).lean()).toMatchObject(given);
      expect(await refusalOf(Subscription.findById(_id))).toMatchObject({ reason: 'unknown_key' });
    } finally {
      await connection.close();
    }
  });
});

describe('without keys', () => {
  it('data is stored in the clear, and is found and unique in the same way', async () => {
    useKeys(store);
    const given = newSubscription();
    const { _id } = await Subscription.create(given);
    const { stripeCustomerId, stripeSubscriptionId, metadata, fieldEncryption } = await storedOf(store, _id);
    expect(given).toMatchObject({ stripeCustomerId, stripeSubscriptionId, metadata });
    expect(fieldEncryption?.keys).toEqual(['(clear)']);
    const found = await Subscription.findOne({ stripeSubscriptionId: given.stripeSubscriptionId }).lean();
    expect(found).toMatchObject({ _id, ...given });
    expect(found).not.toHaveProperty('fieldEncryption');
    expect(isDuplicateKey(await refusalOf(Subscription.create({ ...given, userId: new Types.ObjectId() })))).toBe(true);
  });

  it('nothing is stored that would read as encrypted', async () => {
    useKeys(store);
    const posing = Subscription.create({ ...newSubscription(), stripeCustomerId: 'enc.1.k1.AAAA' });
    expect(await refusalOf(posing)).toBeInstanceOf(RangeError);
  });

  it('what was stored is still found and read when keys come', async () => {
    useKeys(store);
    const given = newSubscription();
    await Subscription.create(given);
    useKeys(store, 'k1');
    const found = await Subscription.findOne({ stripeCustomerId: given.stripeCustomerId }).lean();
    expect(found).toMatchObject(given);
  });
});

describe('the default connection', () => {
  beforeAll(() => {
    vi.stubEnv('MONGODB_URI', databaseUri(`test_${new Types.ObjectId().toHexString()}`));
    vi.stubEnv('FIELD_ENCRYPTION_KEYS', `k9:${keyOf('k9').key}`);
  });
  afterEach(() => mongoose.connection.dropDatabase());
  afterAll(async () => {
    await disconnectDB();
    vi.unstubAllEnvs();
  });

  it('takes its keys from the environment', async () => {
    await connectDB();
    const given = newSubscription();
    const { _id } = await SubscriptionModel.create(given);
    const raw = await mongoose.connection.db?.collection('subscriptions').findOne({ _id });
    expect(raw?.['stripeCustomerId']).toMatch(/^enc\.1\.k9\./);
    expect(await SubscriptionModel.findByStripeId(given.stripeSubscriptionId)).toMatchObject({
      stripeCustomerId: given.stripeCustomerId,
    });
  });
});
