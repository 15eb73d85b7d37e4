import mongoose from 'mongoose';
import { describe, expect, it } from 'vitest';
import { sweep } from '@/workflows/sweep.ts';
import { contextOf } from '../support/context.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const { User, ImageGeneration, AuditEntry } = store.models;
const ctx = contextOf(store);

const DAY = 24 * 60 * 60 * 1000;

async function user(tier: 'free' | 'plus' | 'pro' = 'free') {
  const found = await User.findById(await signUp(store, tier));
  if (!found) throw new Error('The user was just made');
  return found;
}

describe('a generation', () => {
  const record = async (fields: object = {}) => {
    const one = await user();
    const generation = await ImageGeneration.createGeneration({
      userId: one._id,
      type: 'text-to-image',
      prompt: 'A majestic mountain landscape',
      style: 'realistic',
      ...fields,
    });
    return { one, generation };
  };
  const picture = { url: 'https://example.com/image.jpg', filename: 'mountain.jpg', size: 1024000 };

  it('is recorded without being charged', async () => {
    const { one, generation } = await record({ quality: 'hd', count: 2 });
    expect(generation.calculateCost()).toBe(4);
    expect(generation).toMatchObject({ status: 'pending', credits: 4 });
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 0 });
  });

  it('goes from pending through processing to completed, and its pictures are counted once', async () => {
    const { one, generation } = await record();
    await generation.markAsProcessing();
    store.clock.advance(2500);
    await generation.markAsCompleted([picture]);
    expect(generation.toObject()).toMatchObject({ status: 'completed', outputImages: [picture], processingTime: 2.5 });
    await sweep(ctx, 0);
    await sweep(ctx, 0);
    expect(await readUser(store, one._id)).toMatchObject({ totalImagesGenerated: 1 });
  });

  it('moves only where the lifecycle allows, whatever a stale document believes', async () => {
    const { generation } = await record();
    const stale = await ImageGeneration.findById(generation._id);
    await expect(generation.markAsCompleted([picture])).rejects.toMatchObject({ code: 'invalid_transition' });
    await generation.markAsProcessing();
    await expect(stale?.markAsProcessing()).rejects.toMatchObject({ code: 'invalid_transition' });
    await generation.markAsFailed('No luck');
    await expect(stale?.markAsFailed('again')).rejects.toMatchObject({ code: 'invalid_transition' });
    expect(generation.toObject()).toMatchObject({
      status: 'failed',
      errorMessage: 'No luck',
      failedAt: store.clock.now(),
    });
    expect(await ImageGeneration.findById(generation._id).lean()).toMatchObject({ errorMessage: 'No luck' });
  });

  it('has from one to as many pictures as were asked for', async () => {
    const { generation } = await record();
    await generation.markAsProcessing();
    const { ValidationError } = mongoose.Error;
    await expect(generation.markAsCompleted([])).rejects.toBeInstanceOf(ValidationError);
    await expect(generation.markAsCompleted([picture, picture])).rejects.toBeInstanceOf(ValidationError);
    await expect(generation.markAsCompleted([{ ...picture, url: '' }])).rejects.toBeInstanceOf(ValidationError);
    expect(generation.status).toBe('processing');
  });

  it('is found among the stalled when its attempt is too old', async () => {
    const { generation } = await record();
    await generation.markAsProcessing();
    const ids = async () => (await ImageGeneration.findStalledGenerations()).map(({ id }) => id);
    expect(await ids()).not.toContain(generation.id);
    store.clock.advance(900_000);
    expect(await ids()).toContain(generation.id);
    await sweep(ctx, 0);
    expect(await ImageGeneration.findById(generation._id)).toMatchObject({ status: 'failed' });
  });

  it('is found by its user, newest first, by status, type and age', async () => {
    const { one, generation } = await record();
    store.clock.advance(8 * DAY);
    const newer = await ImageGeneration.createGeneration({ userId: one._id, type: 'text-to-image', prompt: 'p' });
    await newer.markAsProcessing();
    const ids = (found: { id?: string }[]) => found.map(({ id }) => id);
    expect(ids(await ImageGeneration.findByUser(one._id))).toEqual([newer.id, generation.id]);
    expect(ids(await ImageGeneration.findByUser(one.id, { limit: 1 }))).toEqual([newer.id]);
    expect(ids(await ImageGeneration.findByUser(one._id, { status: 'pending' }))).toEqual([generation.id]);
    expect(ids(await ImageGeneration.findByUser(one._id, { type: 'upscale' }))).toEqual([]);
    expect(ids(await ImageGeneration.findRecentByUser(one._id))).toEqual([newer.id]);
    expect(ids(await ImageGeneration.findRecentByUser(one._id, 9))).toEqual([newer.id, generation.id]);
  });

  it('that is deleted is hidden and told in the audit trail, and can be restored', async () => {
    const { generation } = await record();
    await generation.softDelete();
    expect(generation).toMatchObject({ status: 'cancelled', isDeleted: true });
    expect(await ImageGeneration.findById(generation._id)).toBeNull();
    await generation.restore();
    expect(await ImageGeneration.findById(generation._id)).toMatchObject({ status: 'cancelled' });
    await sweep(ctx, 0);
    const trail = await AuditEntry.find({ 'subject.id': generation._id }).sort({ _id: 1 }).lean();
    expect(trail.map(({ action }) => action)).toEqual(['generation.deleted', 'generation.restored']);
  });
});
