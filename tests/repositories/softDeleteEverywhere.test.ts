import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { generationsOf, subscriptionsOf, usersOf } from '@/models/collections.ts';
import { signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const { User, Subscription, ImageGeneration } = store.models;

/** A user with one deleted generation and one that is kept, and with a deleted subscription. */
async function oneOfEach() {
  const userId = await signUp(store);
  const of = (prompt: string) => ImageGeneration.create({ userId, type: 'text-to-image', prompt });
  const [kept, deleted] = [await of('kept'), await of('deleted')];
  await deleted.softDelete();
  const subscription = await Subscription.create({
    userId,
    tier: 'plus',
    status: 'active',
    currentPeriodEnd: new Date('2026-05-01T00:00:00Z'),
  });
  await subscription.softDelete();
  return { userId, kept, deleted, subscription };
}

const prompts = (found: { prompt: string }[]) => found.map(({ prompt }) => prompt).toSorted();

describe('a soft-deleted document is left out', () => {
  it('of all three models', async () => {
    const { userId, subscription } = await oneOfEach();
    expect(await Subscription.findById(subscription._id)).toBeNull();
    await (await User.findById(userId).orFail()).softDelete();
    expect(await User.findById(userId)).toBeNull();
    expect(await usersOf(store).findOne({ _id: userId })).toMatchObject({ isDeleted: true });
    expect(await subscriptionsOf(store).findOne({ _id: subscription._id })).toMatchObject({ isDeleted: true });
  });

  it('of cursors, and of the count that needs no filter', async () => {
    const { userId } = await oneOfEach();
    const seen: { prompt: string }[] = [];
    for await (const generation of ImageGeneration.find({ userId }).cursor()) seen.push(generation);
    expect(prompts(seen)).toEqual(['kept']);
    expect(await ImageGeneration.estimatedDocumentCount()).toBe(await ImageGeneration.countDocuments());
    expect(await ImageGeneration.estimatedDocumentCount({ withDeleted: true })).toBe(
      await generationsOf(store).countDocuments(),
    );
  });

  it('of populate', async () => {
    const { userId, deleted } = await oneOfEach();
    const user = await User.findById(userId).populate('subscription').orFail();
    expect(user.get('subscription')).toBeNull();
    const { insertedId } = await generationsOf(store).insertOne({
      ...deleted.toObject(),
      _id: new Types.ObjectId(),
      isDeleted: false,
    });
    await (await User.findById(userId).orFail()).softDelete();
    expect((await ImageGeneration.findById(insertedId).populate('userId').orFail()).userId).toBeNull();
  });

  it('of replacements and of find-and-delete', async () => {
    const { userId, deleted } = await oneOfEach();
    const _id = deleted._id;
    const replacement = { userId, type: 'text-to-image', prompt: 'replaced' } as const;
    expect((await ImageGeneration.replaceOne({ _id }, replacement)).matchedCount).toBe(0);
    expect(await ImageGeneration.findOneAndReplace({ _id }, replacement)).toBeNull();
    expect(await ImageGeneration.findByIdAndDelete(_id)).toBeNull();
    expect(await generationsOf(store).findOne({ _id })).toMatchObject({ prompt: 'deleted' });
  });

  it('of bulk writes, unless their options or a filter name it', async () => {
    const { userId, deleted } = await oneOfEach();
    const update = { $set: { style: 'oil' } };
    const writes = () => [
      { updateOne: { filter: { _id: deleted._id }, update } },
      { updateMany: { filter: { userId }, update } },
      { deleteOne: { filter: { _id: deleted._id } } },
    ];
    expect(await ImageGeneration.bulkWrite(writes())).toMatchObject({ matchedCount: 1, deletedCount: 0 });
    const named = { updateOne: { filter: { _id: deleted._id, isDeleted: true }, update } };
    expect(await ImageGeneration.bulkWrite([named])).toMatchObject({ matchedCount: 1 });
    expect(await ImageGeneration.bulkWrite(writes(), { withDeleted: true })).toMatchObject({
      matchedCount: 3,
      deletedCount: 1,
    });
  });

  it('of what an aggregate joins, at any depth, unless it asks for everything', async () => {
    const { userId } = await oneOfEach();
    const from = 'imagegenerations';
    const byUser = { from, localField: '_id', foreignField: 'userId', as: 'plain' };
    const pipeline = () => [
      { $match: { _id: userId } },
      { $lookup: byUser },
      { $lookup: { ...byUser, as: 'piped', pipeline: [{ $match: { type: 'text-to-image' } }] } },
      { $graphLookup: { from, startWith: '$_id', connectFromField: '_id', connectToField: 'userId', as: 'graph' } },
      { $facet: { faceted: [{ $lookup: { ...byUser, as: 'inner' } }], outer: [{ $match: {} }] } },
    ];
    const read = ([found]: Awaited<ReturnType<typeof run>>) => [
      prompts(found?.outer[0]?.plain ?? []),
      prompts(found?.outer[0]?.piped ?? []),
      prompts(found?.outer[0]?.graph ?? []),
      prompts(found?.faceted[0]?.inner ?? []),
    ];
    type Joined = Record<'plain' | 'piped' | 'graph' | 'inner', { prompt: string }[]>;
    const run = (options = {}) =>
      User.aggregate<{ faceted: Joined[]; outer: Joined[] }>(pipeline()).option(options).exec();
    expect(read(await run())).toEqual([['kept'], ['kept'], ['kept'], ['kept']]);
    const everything = ['deleted', 'kept'];
    expect(read(await run({ withDeleted: true }))).toEqual([everything, everything, everything, everything]);
    const union = [{ $match: { _id: userId } }, { $unionWith: from }, { $match: { userId } }];
    expect(prompts(await User.aggregate<{ prompt: string }>(union))).toEqual(['kept']);
  });
});
