import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { generationsOf } from '@/models/collections.ts';
import { deletion } from '@/models/plugins/softDelete.ts';
import { signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const { ImageGeneration } = store.models;

/** A generation that the rollups hold as it is. */
async function counted() {
  const generation = await ImageGeneration.create({
    userId: await signUp(store),
    type: 'text-to-image',
    prompt: 'a',
    counted: { run: new Types.ObjectId(), done: true },
  });
  expect(await isCounted(generation._id)).toBe(true);
  return generation;
}

async function isCounted(_id: Types.ObjectId): Promise<boolean> {
  return (await generationsOf(store).findOne({ _id }))?.counted !== undefined;
}

describe('a generation that changes through its model is counted again', () => {
  it('when it is saved', async () => {
    const generation = await counted();
    generation.status = 'cancelled';
    await generation.save();
    expect(await isCounted(generation._id)).toBe(false);
  });

  it('when it is updated, alone or with others, by operators or a pipeline', async () => {
    const { _id } = await counted();
    await ImageGeneration.updateOne({ _id }, { style: 'oil' });
    expect(await isCounted(_id)).toBe(false);
    const other = await counted();
    await ImageGeneration.updateMany({ _id: other._id }, deletion(store.clock));
    expect(await isCounted(other._id)).toBe(false);
    const third = await counted();
    await ImageGeneration.findOneAndUpdate({ _id: third._id }, [{ $set: { style: 'oil' } }], { updatePipeline: true });
    expect(await isCounted(third._id)).toBe(false);
    const fourth = await counted();
    await ImageGeneration.findByIdAndUpdate(fourth._id, { $set: { style: 'oil' }, $unset: { processingTime: 1 } });
    expect(await isCounted(fourth._id)).toBe(false);
  });

  it('when it is replaced, also by one that says it is counted', async () => {
    const draft = { userId: new Types.ObjectId(), type: 'text-to-image', prompt: 'b', credits: 1 } as const;
    const mark = { counted: { run: new Types.ObjectId(), done: true as const } };
    const one = await counted();
    await ImageGeneration.replaceOne({ _id: one._id }, { ...draft, ...mark });
    expect(await isCounted(one._id)).toBe(false);
    const other = await counted();
    await ImageGeneration.findOneAndReplace({ _id: other._id }, { ...draft, ...mark });
    expect(await isCounted(other._id)).toBe(false);
  });

  it('when it is written in bulk, by whichever kind of write', async () => {
    const some = await Promise.all(Array.from({ length: 5 }, counted));
    const [first, second, third, fourth, fifth] = some.map(({ _id }) => ({ _id }));
    const stored = await generationsOf(store).findOne({ ...fifth });
    if (!stored) throw new Error('It was just created');
    const { _id: _, ...replacement } = { ...stored, prompt: 'b' };
    await ImageGeneration.bulkWrite([
      { updateOne: { filter: { ...first }, update: { style: 'oil' } } },
      { updateOne: { filter: { ...second }, update: { $set: { style: 'oil' }, $unset: { processingTime: 1 } } } },
      { updateMany: { filter: { ...third }, update: deletion(store.clock) } },
      { updateOne: { filter: { ...fourth }, update: [{ $set: { style: 'oil' } }] } },
      { replaceOne: { filter: { ...fifth }, replacement } },
    ]);
    for (const { _id } of some) {
      expect(await isCounted(_id)).toBe(false);
      expect(await generationsOf(store).findOne({ _id })).toMatchObject(
        _id.equals(third?._id) ? { isDeleted: true } : {},
      );
    }
    expect(await generationsOf(store).findOne({ ...first })).toMatchObject({ style: 'oil' });
    expect(await generationsOf(store).findOne({ ...fifth })).toMatchObject({ prompt: 'b' });
  });

  it('when it is saved in bulk, or updated through its document', async () => {
    const saved = await counted();
    saved.style = 'oil';
    await ImageGeneration.bulkSave([saved]);
    expect(await isCounted(saved._id)).toBe(false);
    const updated = await counted();
    await updated.updateOne({ style: 'oil' });
    expect(await isCounted(updated._id)).toBe(false);
  });

  it('and when it is inserted it is not counted yet', async () => {
    const draft = { userId: new Types.ObjectId(), type: 'text-to-image', prompt: 'b' } as const;
    const [inserted] = await ImageGeneration.insertMany([draft]);
    expect(inserted && (await isCounted(inserted._id))).toBe(false);
    const { insertedIds } = await ImageGeneration.bulkWrite([{ insertOne: { document: draft } }]);
    expect(await isCounted(insertedIds[0])).toBe(false);
  });

  it('but not when it is saved without a change', async () => {
    const generation = await counted();
    await generation.save();
    expect(await isCounted(generation._id)).toBe(true);
  });
});
