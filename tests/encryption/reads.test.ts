import { type mongo, Types } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { signUp, useDatabase } from '../support/database.ts';
import { newSubscription, rawSubscriptions, SECRET, useKeys } from './support.ts';

const store = useDatabase();
const { Subscription: Subscriptions, User } = store.models;
/** What the statements of the repositories go through. */
const collection = () => store.connection.collection('subscriptions');
const userId = new Types.ObjectId();
const first = { ...newSubscription(), userId };
const second = { ...newSubscription(), userId };
const third = { ...newSubscription(), userId };
const { stripeCustomerId, stripeSubscriptionId, ...withoutIds } = { ...newSubscription(), userId };

beforeAll(async () => {
  useKeys(store, 'k1');
  await Subscriptions.create([first, second, third, withoutIds]);
});

const customers = (found: readonly object[]) =>
  found.map((each): unknown => Reflect.get(each, 'stripeCustomerId') ?? null).sort();
const one = first.stripeCustomerId;
const two = second.stripeCustomerId;
const three = third.stripeCustomerId;

describe('a query', () => {
  it.each<[string, mongo.Document, (string | null)[]]>([
    ['equality', { stripeCustomerId: one }, [one]],
    ['$eq', { stripeCustomerId: { $eq: one } }, [one]],
    ['$in', { stripeCustomerId: { $in: [one, three, 'cus_none'] } }, [one, three]],
    ['$in with null', { stripeCustomerId: { $in: [one, null] } }, [one, null]],
    ['$nin', { stripeCustomerId: { $nin: [one, two] } }, [null, three]],
    ['$ne', { stripeCustomerId: { $ne: one } }, [null, two, three]],
    ['$ne null', { stripeCustomerId: { $ne: null } }, [one, two, three]],
    ['null', { stripeCustomerId: null }, [null]],
    ['$exists', { stripeCustomerId: { $exists: true } }, [one, two, three]],
    ['$exists false', { stripeCustomerId: { $exists: false } }, [null]],
    ['metadata $exists', { metadata: { $exists: true } }, [one, two, three, null]],
    ['two operators', { stripeCustomerId: { $in: [one, two], $ne: one } }, [two]],
    ['both ids', { stripeCustomerId: one, stripeSubscriptionId: first.stripeSubscriptionId }, [one]],
    ['ids of two documents', { stripeCustomerId: one, stripeSubscriptionId: second.stripeSubscriptionId }, []],
    ['$or', { $or: [{ stripeCustomerId: one }, { stripeSubscriptionId: second.stripeSubscriptionId }] }, [one, two]],
    ['$and in $nor', { $nor: [{ $and: [{ stripeCustomerId: one }, { tier: 'plus' }] }] }, [two, three, null]],
    ['its own $and', { stripeCustomerId: { $ne: two }, $and: [{ stripeCustomerId: { $ne: null } }] }, [one, three]],
    ['the empty text', { stripeCustomerId: '' }, []],
  ])('by %s finds what plaintext would', async (_name, filter, expected) => {
    const query: mongo.Document = { userId, ...filter };
    const inTheClear = [...expected].sort();
    expect(customers(await Subscriptions.find(query))).toEqual(inTheClear);
    expect(customers(await Subscriptions.find(query).lean())).toEqual(inTheClear);
    expect(customers(await collection().find(query).toArray())).toEqual(inTheClear);
    expect(customers(await Subscriptions.aggregate([{ $match: query }]))).toEqual(inTheClear);
    expect(await Subscriptions.countDocuments(query)).toBe(expected.length);
    expect((await Subscriptions.exists(query)) !== null).toBe(expected.length > 0);
    expect(await Subscriptions.distinct('tier', query)).toEqual(expected.length > 0 ? ['plus'] : []);
  });

  it('by a Stripe id uses its index', async () => {
    const plan: unknown = await Subscriptions.find({ stripeSubscriptionId: first.stripeSubscriptionId }).explain();
    expect(JSON.stringify(plan)).toMatch(/"indexName":"fieldEncryption\.lookup\.stripeSubscriptionId_1"/);
    expect(JSON.stringify(plan)).not.toContain(SECRET);
  });

  it('deletes by a Stripe id', async () => {
    const gone = newSubscription();
    const also = newSubscription();
    await Subscriptions.create([gone, also]);
    const old = await Subscriptions.findOneAndDelete({ stripeCustomerId: gone.stripeCustomerId });
    expect(old?.stripeSubscriptionId).toBe(gone.stripeSubscriptionId);
    expect(await Subscriptions.deleteOne({ stripeCustomerId: also.stripeCustomerId })).toMatchObject({
      deletedCount: 1,
    });
  });

  it('selects what it is asked for, in the clear', async () => {
    const filter = { stripeCustomerId: one };
    expect(await Subscriptions.findOne(filter).select('metadata -_id').lean()).toEqual({ metadata: first.metadata });
    const without = await Subscriptions.findOne(filter).select('-metadata').lean();
    expect(without).toMatchObject({ stripeCustomerId: one });
    expect(without).not.toHaveProperty('metadata');
  });

  it('gives metadata as it was, with its dates, numbers and lists', async () => {
    const found = await Subscriptions.findOne({ stripeCustomerId: one }).orFail();
    expect(found.metadata).toEqual(first.metadata);
    expect(found.metadata['at']).toBeInstanceOf(Date);
  });

  it('populates in the clear', async () => {
    const someone = await signUp(store);
    const given = { ...newSubscription(), userId: someone, status: 'active' as const };
    await Subscriptions.create(given);
    const user = await User.findById(someone).populate('subscription').orFail();
    const lean = await User.findById(someone).populate('subscription').lean().orFail();
    for (const found of [user.toObject({ virtuals: true }), lean]) {
      expect(found).toMatchObject({
        subscription: { stripeCustomerId: given.stripeCustomerId, metadata: given.metadata },
      });
    }
  });

  it.each([
    ['a pattern', { stripeCustomerId: /^cus_/ }],
    ['$regex', { stripeCustomerId: { $regex: '^cus_' } }],
    ['$gt', { stripeCustomerId: { $gt: 'cus_' } }],
    ['$not', { stripeCustomerId: { $not: { $eq: 'cus_' } } }],
    ['metadata', { metadata: { note: 'x' } }],
    ['a part of metadata', { 'metadata.note': 'x' }],
    ['$expr', { $expr: { $eq: ['$stripeCustomerId', 'cus_1'] } }],
    ['$or deep down', { $or: [{ $and: [{ 'metadata.note': { $exists: true } }] }] }],
  ])('by %s is refused, with what to do', async (_name, filter) => {
    const error = await Subscriptions.find(filter).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'EncryptedFieldError', code: 'internal' });
    expect(String(error)).toMatch(/Subscription\.(stripeCustomerId|metadata) is encrypted: .{20}/);
  });

  it('that orders, selects or counts by ciphertext is refused', async () => {
    const refusal = { name: 'EncryptedFieldError' };
    await expect(Subscriptions.find().sort('stripeCustomerId')).rejects.toMatchObject(refusal);
    await expect(Subscriptions.find().sort({ metadata: -1 }).cursor().next()).rejects.toMatchObject(refusal);
    await expect(Subscriptions.findOne().select('metadata.note')).rejects.toMatchObject(refusal);
    await expect(Subscriptions.distinct('stripeCustomerId')).rejects.toMatchObject(refusal);
    const cursor = collection().find();
    expect(() => cursor.sort('stripeCustomerId')).toThrow(expect.objectContaining(refusal));
    expect(() => cursor.project({ 'metadata.note': 1 })).toThrow(expect.objectContaining(refusal));
    expect(() => collection().watch()).toThrow(expect.objectContaining(refusal));
  });
});

describe('a cursor', () => {
  const filter = { userId, stripeCustomerId: { $ne: null } };
  const all = [one, two, three].sort();

  it('of Mongoose gives documents in the clear, in each of its ways', async () => {
    const iterated: unknown[] = [];
    for await (const document of Subscriptions.find(filter).cursor({ batchSize: 1 })) {
      iterated.push(document.stripeCustomerId);
    }
    const eached: unknown[] = [];
    await Subscriptions.find(filter)
      .lean()
      .cursor()
      .eachAsync((document) => {
        eached.push(document.stripeCustomerId);
      });
    expect([iterated.sort(), eached.sort()]).toEqual([all, all]);
  });

  it('of the collection gives them in the clear, in each of its ways', async () => {
    const find = () => collection().find(filter, { batchSize: 2 });
    const iterated = [];
    for await (const document of find()) iterated.push(document);
    const streamed = [];
    for await (const document of find().stream()) streamed.push(document);
    const stepped = [];
    const steps = find();
    while (await steps.hasNext()) stepped.push((await steps.next()) ?? {});
    const tried = find();
    const firstTried = await tried.tryNext();
    await tried.close();
    for (const found of [iterated, streamed, stepped, await find().clone().toArray()]) {
      expect(customers(found)).toEqual(all);
    }
    expect(all).toContain(firstTried?.stripeCustomerId);
    expect(
      await find()
        .map(({ stripeCustomerId: id }) => id)
        .toArray(),
    ).toEqual(expect.arrayContaining(all));
    const again = find();
    await again.toArray();
    again.rewind();
    expect(customers(await again.toArray())).toEqual(all);
    expect(customers(await collection().find().filter({ stripeCustomerId: one }).toArray())).toEqual([one]);
  });
});

describe('an aggregate', () => {
  it('gives encrypted fields in the clear wherever they stand under their names', async () => {
    const [grouped] = await Subscriptions.aggregate([
      { $match: { stripeCustomerId: one } },
      { $sort: { createdAt: 1 } },
      { $group: { _id: '$userId', all: { $push: '$$ROOT' } } },
    ]);
    expect(grouped).toMatchObject({ _id: userId, all: [{ stripeCustomerId: one, metadata: first.metadata }] });
    expect(grouped.all[0]).not.toHaveProperty('fieldEncryption');
    const projected = await Subscriptions.aggregate([
      { $match: { stripeCustomerId: one } },
      { $project: { metadata: 1, _id: 0 } },
    ]);
    expect(projected).toEqual([{ metadata: first.metadata }]);
  });

  it('gives them by cursor', async () => {
    const cursor = Subscriptions.aggregate([{ $match: { stripeCustomerId: two } }]).cursor();
    const found = [];
    for await (const document of cursor) found.push(document);
    expect(customers(found)).toEqual([two]);
  });

  it.each([
    ['grouping by one', [{ $group: { _id: '$stripeCustomerId' } }]],
    ['a new name for one', [{ $project: { customer: '$stripeCustomerId' } }]],
    ['comparing one', [{ $match: { $expr: { $ne: ['$$ROOT.metadata.note', 'x'] } } }]],
    [
      'filtering by one behind a stage that makes other documents',
      [{ $project: { metadata: 1 } }, { $match: { metadata: 1 } }],
    ],
    ['sorting by one', [{ $sort: { stripeCustomerId: 1 as const } }]],
    ['unwinding one', [{ $unwind: '$metadata.list' }]],
    [
      'looking up by one',
      [{ $lookup: { from: 'users', localField: 'stripeCustomerId', foreignField: 'name', as: 'users' } }],
    ],
  ])('refuses %s, since it would see ciphertext', async (_name, pipeline) => {
    await expect(Subscriptions.aggregate(pipeline)).rejects.toMatchObject({ name: 'EncryptedFieldError' });
  });

  it('never gives ciphertext under another name', async () => {
    const hidden = [{ $project: { pairs: { $objectToArray: '$$ROOT' } } }];
    await expect(Subscriptions.aggregate(hidden)).rejects.toMatchObject({ name: 'EncryptedFieldError' });
  });
});

describe('a bulk write over several models', () => {
  it('is refused, since it would go past the collection and store plaintext', async () => {
    const before = await rawSubscriptions(store).countDocuments();
    const write = { model: 'Subscription', name: 'insertOne' as const, document: newSubscription() };
    await expect(store.connection.bulkWrite([write])).rejects.toMatchObject({ name: 'EncryptedFieldError' });
    expect(await rawSubscriptions(store).countDocuments()).toBe(before);
  });
});

describe('an update that would have to read or cut ciphertext', () => {
  it.each<[string, mongo.Document | mongo.Document[]]>([
    ['of a part', { $set: { 'metadata.note': 'x' } }],
    ['by $push', { $push: { metadata: 1 } }],
    ['by $rename', { $rename: { stripeCustomerId: 'tier' } }],
    ['by $rename onto it', { $rename: { tier: 'metadata' } }],
    ['by $min', { $min: { stripeCustomerId: 'a' } }],
    ['by a pipeline that writes it', [{ $set: { metadata: {} } }]],
    [
      'by a pipeline that replaces it',
      [{ $replaceWith: { $mergeObjects: ['$$ROOT', { stripeCustomerId: 'cus_1' }] } }],
    ],
    ['by a pipeline that removes it', [{ $unset: ['metadata'] }]],
    ['by a pipeline that reads it', [{ $set: { tier: '$metadata.tier' } }]],
  ])('%s is refused and changes nothing', async (_name, update) => {
    const before = await rawSubscriptions(store).find().toArray();
    await expect(collection().updateMany({}, update)).rejects.toMatchObject({ name: 'EncryptedFieldError' });
    expect(await rawSubscriptions(store).find().toArray()).toEqual(before);
  });

  it('passes where a pipeline leaves encrypted fields alone', async () => {
    const raise = [{ $set: { cancelAtPeriodEnd: { $not: ['$cancelAtPeriodEnd'] } } }];
    const changed = await collection().findOneAndUpdate({ stripeCustomerId: three }, raise, {
      returnDocument: 'after',
    });
    expect(changed).toMatchObject({ cancelAtPeriodEnd: true, stripeCustomerId: three, metadata: third.metadata });
  });
});
