import { Types } from 'mongoose';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../support/database.ts';
import { expectSealed, newSubscription, SECRET, storedBytes, storedOf, useKeys } from './support.ts';

const store = useDatabase();
const { Subscription } = store.models;
const ENCRYPTED = ['stripeCustomerId', 'stripeSubscriptionId', 'metadata'] as const;
const secretsOf = ({ stripeCustomerId, stripeSubscriptionId, metadata }: ReturnType<typeof newSubscription>) => ({
  stripeCustomerId,
  stripeSubscriptionId,
  metadata,
});

/** Every command and every answer of this file, as the network carries it. */
const traffic: string[] = [];

beforeAll(() => {
  useKeys(store, 'k1');
  const client = store.connection.getClient();
  client.on('commandStarted', ({ command }) => traffic.push(JSON.stringify(command)));
  client.on('commandSucceeded', ({ reply }) => traffic.push(JSON.stringify(reply)));
});

afterEach(async () => {
  expect(await storedBytes(store)).not.toContain(SECRET);
  expect(traffic.length).toBeGreaterThan(0);
  expect(traffic.filter((text) => text.includes(SECRET))).toEqual([]);
});

describe('what is written is sealed, and reads as it was written', () => {
  const read = async (_id: unknown) => Subscription.findById(_id).lean();

  it('by create', async () => {
    const given = newSubscription();
    const { _id } = await Subscription.create(given);
    await expectSealed(store, _id, ...ENCRYPTED);
    expect(await read(_id)).toMatchObject(secretsOf(given));
  });

  it('by save, of a new document and of a changed one', async () => {
    const given = newSubscription();
    const document = new Subscription(given);
    await document.save();
    const before = await storedOf(store, document._id);
    const stripeCustomerId = `cus_${SECRET}Other`;
    document.stripeCustomerId = stripeCustomerId;
    await document.save();
    const after = await storedOf(store, document._id);
    expect(document.stripeCustomerId).toBe(stripeCustomerId);
    expect(await read(document._id)).toMatchObject({ ...secretsOf(given), stripeCustomerId });
    expect(after.stripeCustomerId).not.toBe(before.stripeCustomerId);
    expect(after.fieldEncryption?.lookup?.['stripeCustomerId']).not.toEqual(
      before.fieldEncryption?.lookup?.['stripeCustomerId'],
    );
    expect([after.stripeSubscriptionId, after.metadata]).toEqual([before.stripeSubscriptionId, before.metadata]);
  });

  it('by save, when a part of metadata was set', async () => {
    const document = await Subscription.create(newSubscription());
    document.set('metadata.note', `${SECRET} second note`);
    await document.save();
    document.metadata['seats'] = 4;
    document.markModified('metadata');
    await document.save();
    expect(await read(document._id)).toMatchObject({
      metadata: { note: `${SECRET} second note`, seats: 4, nested: { of: [1, SECRET] } },
    });
  });

  it('by insertMany', async () => {
    const given = [newSubscription(), newSubscription()];
    const made = await Subscription.insertMany(given, { ordered: false });
    expect(made.map(({ stripeCustomerId }) => stripeCustomerId)).toEqual(given.map((each) => each.stripeCustomerId));
    for (const [index, { _id }] of made.entries()) {
      await expectSealed(store, _id, ...ENCRYPTED);
      expect(await read(_id)).toMatchObject(given[index] ?? {});
    }
  });

  it('by bulkWrite: inserted, updated, upserted and replaced', async () => {
    const [inserted, updated, upserted, replaced] = [1, 2, 3, 4].map(() => newSubscription());
    const replacedId = new Types.ObjectId();
    if (!inserted || !updated || !upserted || !replaced) throw new Error('Four were made');
    const existing = await Subscription.create(newSubscription());
    await Subscription.create({ ...newSubscription(), _id: replacedId });
    await Subscription.bulkWrite([
      { insertOne: { document: inserted } },
      { updateOne: { filter: { _id: existing._id }, update: { $set: secretsOf(updated) } } },
      {
        updateOne: {
          filter: { stripeSubscriptionId: upserted.stripeSubscriptionId },
          update: { $setOnInsert: { ...upserted, stripeSubscriptionId: upserted.stripeSubscriptionId } },
          upsert: true,
        },
      },
      { replaceOne: { filter: { _id: replacedId }, replacement: replaced } },
    ]);
    for (const given of [inserted, updated, upserted, replaced]) {
      const found = await Subscription.findOne({ stripeSubscriptionId: given.stripeSubscriptionId }).lean();
      expect(found).toMatchObject(secretsOf(given));
      await expectSealed(store, found?._id, ...ENCRYPTED);
    }
  });

  it('by bulkSave', async () => {
    const documents = await Subscription.create([newSubscription(), newSubscription()]);
    for (const [index, document] of documents.entries()) document.metadata = { note: `${SECRET} ${index}` };
    await Subscription.bulkSave(documents);
    for (const [index, { _id }] of documents.entries()) {
      expect((await read(_id))?.metadata).toEqual({ note: `${SECRET} ${index}` });
    }
  });

  it('by findOneAndUpdate, which gives it back in the clear', async () => {
    const [before, after] = [newSubscription(), newSubscription()];
    const { _id } = await Subscription.create(before);
    const filter = { stripeCustomerId: before.stripeCustomerId };
    const old = await Subscription.findOneAndUpdate(filter, { $set: secretsOf(after) });
    expect(old?.toObject()).toMatchObject(secretsOf(before));
    const found = { stripeCustomerId: after.stripeCustomerId };
    const fresh = await Subscription.findOneAndUpdate(found, { tier: 'pro' }, { returnDocument: 'after' }).lean();
    expect(fresh).toMatchObject({ ...secretsOf(after), tier: 'pro' });
    const whole = await Subscription.findOneAndUpdate(found, { tier: 'plus' }, { includeResultMetadata: true });
    expect(whole.value?.toObject()).toMatchObject(secretsOf(after));
    await expectSealed(store, _id, ...ENCRYPTED);
  });

  it('by an upsert, with what its filter asks for', async () => {
    const given = newSubscription();
    const { stripeSubscriptionId, ...rest } = given;
    const upsert = () =>
      Subscription.findOneAndUpdate(
        { stripeSubscriptionId },
        { $set: rest },
        { upsert: true, returnDocument: 'after' },
      );
    const first = await upsert();
    const second = await upsert();
    expect(first?.toObject()).toMatchObject(given);
    expect(second?._id).toEqual(first?._id);
    expect(await Subscription.countDocuments({ stripeSubscriptionId })).toBe(1);
    await expectSealed(store, first?._id, ...ENCRYPTED);
  });

  it('by updateOne and updateMany, also without $set', async () => {
    const userId = new Types.ObjectId();
    await Subscription.create([
      { ...newSubscription(), userId },
      { ...newSubscription(), userId },
    ]);
    const stripeCustomerId = `cus_${SECRET}Shared`;
    await Subscription.updateMany({ userId }, { stripeCustomerId });
    await Subscription.updateOne({ userId }, { metadata: { note: SECRET } });
    const found = await Subscription.find({ stripeCustomerId }).lean();
    expect(found).toHaveLength(2);
    expect(found.filter(({ metadata }) => metadata['note'] === SECRET)).toHaveLength(1);
  });

  it('by replaceOne and findOneAndReplace', async () => {
    const [first, second] = [newSubscription(), newSubscription()];
    const { _id } = await Subscription.create(newSubscription());
    await Subscription.replaceOne({ _id }, first);
    expect(await read(_id)).toMatchObject(secretsOf(first));
    const old = await Subscription.findOneAndReplace({ stripeCustomerId: first.stripeCustomerId }, second);
    expect(old?.toObject()).toMatchObject(secretsOf(first));
    expect(await read(_id)).toMatchObject(secretsOf(second));
  });
});

describe('a document', () => {
  it('that was not changed writes nothing', async () => {
    const { _id } = await Subscription.create(newSubscription());
    const before = await storedOf(store, _id);
    traffic.length = 0;
    const document = await Subscription.findById(_id).orFail();
    expect(document.isModified()).toBe(false);
    await document.save();
    expect(traffic.filter((text) => text.startsWith('{"update"'))).toEqual([]);
    expect(await storedOf(store, _id)).toEqual(before);
  });

  it('whose other fields were changed keeps its ciphertext', async () => {
    const { _id } = await Subscription.create(newSubscription());
    const before = await storedOf(store, _id);
    const document = await Subscription.findById(_id).orFail();
    document.tier = 'pro';
    await document.save();
    const { tier, updatedAt, ...after } = await storedOf(store, _id);
    expect(tier).toBe('pro');
    expect(before).toMatchObject(after);
  });

  it('whose save failed is still in the clear, and can be saved when it is mended', async () => {
    const taken = newSubscription();
    await Subscription.create(taken);
    const { stripeSubscriptionId } = taken;
    const given = { ...newSubscription(), stripeSubscriptionId };
    const document = new Subscription(given);
    await expect(document.save()).rejects.toMatchObject({ code: 11000 });
    expect(document.toObject()).toMatchObject(secretsOf(given));
    document.stripeSubscriptionId = `sub_${SECRET}Mended`;
    await document.save();
    document.stripeSubscriptionId = stripeSubscriptionId;
    await expect(document.save()).rejects.toMatchObject({ code: 11000 });
    expect(document.stripeSubscriptionId).toBe(stripeSubscriptionId);
  });

  it('is validated by what was given and not by its ciphertext', async () => {
    const limit = 'x'.repeat(255);
    const { _id } = await Subscription.create({ ...newSubscription(), stripeCustomerId: limit });
    expect((await Subscription.findById(_id).orFail()).stripeCustomerId).toBe(limit);
    await expect(Subscription.create({ ...newSubscription(), stripeCustomerId: `${limit}x` })).rejects.toMatchObject({
      name: 'ValidationError',
      errors: { stripeCustomerId: expect.anything() },
    });
  });

  it('shows nothing of its encryption', async () => {
    const { _id } = await Subscription.create(newSubscription());
    expect(await Subscription.findById(_id).lean()).not.toHaveProperty('fieldEncryption');
    expect((await Subscription.findById(_id).orFail()).toObject()).not.toHaveProperty('fieldEncryption');
  });

  it('without Stripe ids may stand beside others without, and can lose those that it has', async () => {
    const { stripeCustomerId, stripeSubscriptionId, ...without } = newSubscription();
    await Subscription.create(without);
    const { _id } = await Subscription.create({ ...newSubscription(), stripeCustomerId, stripeSubscriptionId });
    await Subscription.updateOne({ _id }, { $unset: { stripeSubscriptionId: 1 } });
    const document = await Subscription.findById(_id).orFail();
    document.set('stripeCustomerId', undefined);
    await document.save();
    const stored = await storedOf(store, _id);
    expect(stored).not.toHaveProperty('stripeCustomerId');
    expect(stored.fieldEncryption?.lookup).toEqual({});
    expect(await Subscription.countDocuments({ stripeCustomerId })).toBe(0);
    expect(await Subscription.create({ ...newSubscription(), stripeSubscriptionId })).toBeTruthy();
  });
});
