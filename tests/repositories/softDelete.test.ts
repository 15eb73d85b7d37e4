import { describe, expect, it } from 'vitest';
import { signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();

/** One deleted generation and one that is kept, of the same user. */
async function oneOfEach() {
  const userId = await signUp(store);
  const of = (prompt: string) => store.models.ImageGeneration.create({ userId, type: 'text-to-image', prompt });
  const [kept, deleted] = [await of('kept'), await of('deleted')];
  await store.models.ImageGeneration.updateOne({ _id: deleted._id }, { isDeleted: true, deletedAt: store.clock.now() });
  return { userId, kept, deleted };
}

describe('a soft-deleted document', () => {
  it('is left out of finds, counts, distinct values and aggregates', async () => {
    const { userId, deleted } = await oneOfEach();
    const { ImageGeneration } = store.models;
    expect((await ImageGeneration.find({ userId }).lean()).map(({ prompt }) => prompt)).toEqual(['kept']);
    expect(await ImageGeneration.findOne({ _id: deleted._id })).toBeNull();
    expect(await ImageGeneration.findById(deleted._id)).toBeNull();
    expect(await ImageGeneration.exists({ _id: deleted._id })).toBeNull();
    expect(await ImageGeneration.countDocuments({ userId })).toBe(1);
    expect(await ImageGeneration.distinct('prompt', { userId })).toEqual(['kept']);
    const counted = await ImageGeneration.aggregate([{ $match: { userId } }, { $count: 'n' }]);
    expect(counted).toEqual([{ n: 1 }]);
  });

  it('is left out of updates and deletes', async () => {
    const { userId, deleted } = await oneOfEach();
    const { ImageGeneration } = store.models;
    const style = { style: 'oil' };
    expect((await ImageGeneration.updateMany({ userId }, style)).matchedCount).toBe(1);
    expect((await ImageGeneration.updateOne({ _id: deleted._id }, style)).matchedCount).toBe(0);
    expect(await ImageGeneration.findOneAndUpdate({ _id: deleted._id }, style)).toBeNull();
    expect(await ImageGeneration.findByIdAndUpdate(deleted._id, style)).toBeNull();
    expect(await ImageGeneration.findOneAndDelete({ _id: deleted._id })).toBeNull();
    expect((await ImageGeneration.deleteOne({ _id: deleted._id })).deletedCount).toBe(0);
    expect((await ImageGeneration.deleteMany({ userId })).deletedCount).toBe(1);
  });

  it('is included by the option, and by a filter that names it', async () => {
    const { userId, deleted } = await oneOfEach();
    const { ImageGeneration } = store.models;
    expect(await ImageGeneration.countDocuments({ userId }).setOptions({ withDeleted: true })).toBe(2);
    expect(await ImageGeneration.find({ userId }, null, { withDeleted: true })).toHaveLength(2);
    expect(await ImageGeneration.findOne({ _id: deleted._id, isDeleted: true })).toMatchObject({ prompt: 'deleted' });
    const counted = await ImageGeneration.aggregate([{ $match: { userId } }, { $count: 'n' }]).option({
      withDeleted: true,
    });
    expect(counted).toEqual([{ n: 2 }]);
  });
});
