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

  it('but not when it is saved without a change', async () => {
    const generation = await counted();
    await generation.save();
    expect(await isCounted(generation._id)).toBe(true);
  });
});
