import type { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { GENERATION_LIMITS } from '@/domain/generation.ts';
import type { SubscriptionTier } from '@/domain/tiers.ts';
import { startWorker } from '@/jobs/worker.ts';
import { generationsOf } from '@/models/collections.ts';
import type { ImageGeneration } from '@/models/ImageGeneration.ts';
import { type GeneratedImage, type ImageProvider, ProviderError } from '@/providers/port.ts';
import { endStalledAttempts, releaseLease, renewLease } from '@/repositories/leases.ts';
import { claim } from '@/workflows/claim.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { complete, fail } from '@/workflows/endGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { contextOf } from '../support/context.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const ctx = contextOf(store);
const CLAIM = { workerId: 'worker', leaseSeconds: 60 };
const PICTURE: GeneratedImage = { bytes: new Uint8Array([1, 2, 3]), contentType: 'image/png', width: 8, height: 8 };
const IMAGES = [{ url: '/images/a.png', filename: 'a.png', size: 3 }];

async function queued(count = 1, tier: SubscriptionTier = 'free'): Promise<ImageGeneration> {
  await generationsOf(store).deleteMany({});
  const _id = await signUp(store, tier);
  const { generation } = await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'A bay', count });
  return generation;
}

async function claimed() {
  const generation = await claim(ctx, CLAIM);
  if (!generation) throw new Error('Nothing waits');
  return generation;
}

async function stored(_id: Types.ObjectId): Promise<ImageGeneration> {
  const generation = await generationsOf(store).findOne({ _id });
  if (!generation) throw new Error('It is gone');
  return generation;
}

describe('a claim', () => {
  it('takes the generation that has waited longest, for one worker alone', async () => {
    const { userId } = await queued(1, 'plus');
    store.clock.advance(1000);
    await createGeneration(ctx, { _id: userId }, { type: 'text-to-image', prompt: 'Later' });
    const claims = await Promise.all(Array.from({ length: 10 }, () => claim(ctx, CLAIM)));
    const won = claims.filter((each) => each !== null);
    expect(won.map(({ prompt }) => prompt).toSorted()).toEqual(['A bay', 'Later']);
    expect(new Set(won.map(({ lease }) => lease.token)).size).toBe(2);
  });

  it('never takes what is recorded but not charged', async () => {
    const { userId } = await queued();
    await generationsOf(store).deleteMany({});
    await store.models.ImageGeneration.create({ userId, type: 'text-to-image', prompt: 'Not paid' });
    expect(await claim(ctx, CLAIM)).toBeNull();
  });

  it('takes only the types that the worker can do', async () => {
    await queued();
    expect(await claim(ctx, { ...CLAIM, types: ['upscale'] })).toBeNull();
    expect(await claim(ctx, { ...CLAIM, types: ['upscale', 'text-to-image'] })).not.toBeNull();
  });
});

describe('a lease', () => {
  it('lasts while heartbeats come, and ends without them: then another worker tries', async () => {
    await queued();
    const { _id, lease } = await claimed();
    store.clock.advance(59_000);
    await renewLease(ctx, _id, lease.token);
    store.clock.advance(59_000);
    expect(await endStalledAttempts(ctx)).toBe(0);
    store.clock.advance(1_000);
    expect(await endStalledAttempts(ctx)).toBe(1);
    expect(await stored(_id)).toMatchObject({ status: 'pending', attempts: 1 });
    expect((await claimed())._id).toEqual(_id);
  });

  it('that is lost is lost for good: its token moves nothing, even before a sweep has seen it', async () => {
    await queued();
    const { _id, lease } = await claimed();
    store.clock.advance(60_000);
    const lost = { code: 'lease_lost' };
    await expect(renewLease(ctx, _id, lease.token)).rejects.toMatchObject(lost);
    await expect(complete(ctx, _id, lease.token, { outputImages: IMAGES })).rejects.toMatchObject(lost);
    await endStalledAttempts(ctx);
    const second = await claimed();
    await expect(fail(ctx, _id, lease.token, { errorMessage: 'late', retryable: false })).rejects.toMatchObject(lost);
    await complete(ctx, _id, second.lease.token, { outputImages: IMAGES });
    expect(await stored(_id)).toMatchObject({ status: 'completed', attempts: 2 });
  });

  it('that has ended its generation may say so again, and nothing else', async () => {
    const { userId } = await queued();
    const { _id, lease } = await claimed();
    const first = await complete(ctx, _id, lease.token, { outputImages: IMAGES });
    store.clock.advance(3_600_000);
    expect(await complete(ctx, _id, lease.token, { outputImages: IMAGES, processingTime: 9 })).toEqual(first);
    const otherwise = { code: 'invalid_transition' };
    const others = [{ url: '/images/b.png', filename: 'b.png', size: 3 }];
    await expect(complete(ctx, _id, lease.token, { outputImages: others })).rejects.toMatchObject(otherwise);
    await expect(fail(ctx, _id, lease.token, { errorMessage: 'no', retryable: false })).rejects.toMatchObject(
      otherwise,
    );
    await expect(renewLease(ctx, _id, lease.token)).rejects.toMatchObject({ code: 'lease_lost' });
    await sweep(ctx, 0);
    expect((await readUser(store, userId)).totalImagesGenerated).toBe(1);
  });

  it('that has failed an attempt may say so again, whoever has the generation by then', async () => {
    await queued();
    const { _id, lease } = await claimed();
    const failure = { errorMessage: 'busy', retryable: true };
    expect(await fail(ctx, _id, lease.token, failure)).toMatchObject({ status: 'pending', attempts: 1 });
    expect(await fail(ctx, _id, lease.token, failure)).toMatchObject({ status: 'pending', attempts: 1 });
    const second = await claimed();
    expect(await fail(ctx, _id, lease.token, failure)).toMatchObject({ status: 'processing', attempts: 2 });
    await expect(complete(ctx, _id, lease.token, { outputImages: IMAGES })).rejects.toMatchObject({
      code: 'invalid_transition',
    });
    expect((await stored(_id)).lease?.token).toBe(second.lease.token);
  });

  it('lasts as long as its claim asked for, from each heartbeat', async () => {
    await queued();
    const { _id, lease } = (await claim(ctx, { workerId: 'patient', leaseSeconds: 600 })) ?? (await claimed());
    store.clock.advance(599_000);
    const renewed = await renewLease(ctx, _id, lease.token);
    expect(renewed.lease?.expiresAt).toEqual(new Date(store.clock.now().getTime() + 600_000));
  });

  it('of a worker that died is tried again however late that is noticed', async () => {
    const { userId } = await queued(3);
    const { _id } = await claimed();
    store.clock.advance(24 * 60 * 60_000);
    await sweep(ctx, 0);
    expect(await stored(_id)).toMatchObject({ status: 'pending', attempts: 1 });
    expect((await readUser(store, userId)).monthlyUsage).toBe(3);
  });

  it('does not save an attempt that hangs: it is given up and refunded, however lively its heartbeat', async () => {
    const { userId } = await queued(4);
    const { _id, lease } = await claimed();
    for (let age = 0; age < GENERATION_LIMITS.maxAttemptSeconds; age += 50) {
      await renewLease(ctx, _id, lease.token);
      store.clock.advance(50_000);
    }
    await expect(renewLease(ctx, _id, lease.token)).rejects.toMatchObject({ code: 'lease_lost' });
    await sweep(ctx, 0);
    expect(await stored(_id)).toMatchObject({ status: 'failed', attempts: 1 });
    expect((await readUser(store, userId)).monthlyUsage).toBe(0);
  });

  it('ends the generation after three dead workers, with a refund', async () => {
    const { userId } = await queued(3);
    for (let attempt = 1; attempt <= GENERATION_LIMITS.maxAttempts; attempt += 1) {
      const { _id } = await claimed();
      expect(await stored(_id)).toMatchObject({ attempts: attempt });
      store.clock.advance(61_000);
      await sweep(ctx, 0);
    }
    const [generation] = await generationsOf(store).find({ userId }).toArray();
    expect(generation).toMatchObject({ status: 'failed', attempts: 3 });
    expect(generation?.owes).toBeUndefined();
    expect((await readUser(store, userId)).monthlyUsage).toBe(0);
  });

  it('that is given back costs no attempt', async () => {
    await queued();
    const { _id, lease } = await claimed();
    await releaseLease(ctx, _id, lease.token);
    expect(await stored(_id)).toMatchObject({ status: 'pending', attempts: 0 });
    expect((await claimed())._id).toEqual(_id);
  });
});

describe('the worker of this process', () => {
  /** Runs a worker until the generation has reached the status. */
  async function workedOn(generation: ImageGeneration, provider: ImageProvider, status: ImageGeneration['status']) {
    const kept = new Map<string, Uint8Array>();
    const storage = {
      async put(bytes: Uint8Array) {
        const name = `${kept.size}.png`;
        kept.set(name, bytes);
        return name;
      },
      get: async () => null,
      async remove(name: string) {
        kept.delete(name);
      },
    };
    const worker = startWorker({ ctx, provider, storage, concurrency: 1 });
    let current = await stored(generation._id);
    while (current.status !== status) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      current = await stored(generation._id);
    }
    await worker.stop();
    return { current: await stored(generation._id), kept };
  }

  it('keeps the pictures, completes the generation and counts the images', async () => {
    const generation = await queued(2);
    const provider = { name: 'test', generate: async () => [PICTURE, PICTURE] };
    const { current, kept } = await workedOn(generation, provider, 'completed');
    expect(kept.size).toBe(2);
    expect(current).toMatchObject({
      outputImages: [
        { url: '/images/0.png', filename: `${generation._id}-1.png`, size: 3, width: 8, height: 8 },
        { url: '/images/1.png', filename: `${generation._id}-2.png` },
      ],
    });
    expect(current.lease).toBeUndefined();
    expect((await readUser(store, generation.userId)).totalImagesGenerated).toBe(2);
  });

  it('tries again what may succeed, and refunds what failed three times', async () => {
    const generation = await queued(3);
    let attempts = 0;
    const provider: ImageProvider = {
      name: 'test',
      async generate() {
        attempts += 1;
        throw new ProviderError('The service is busy.', { retryable: true });
      },
    };
    const { current } = await workedOn(generation, provider, 'failed');
    expect(attempts).toBe(3);
    expect(current.errorMessage).toBe('The service is busy.');
    expect((await readUser(store, generation.userId)).monthlyUsage).toBe(0);
  });

  it('does not try again what the provider refuses, and refunds it', async () => {
    const generation = await queued(3);
    let attempts = 0;
    const provider: ImageProvider = {
      name: 'test',
      async generate() {
        attempts += 1;
        throw new ProviderError('The prompt was refused. Change it and try again.', { retryable: false });
      },
    };
    const { current } = await workedOn(generation, provider, 'failed');
    expect(attempts).toBe(1);
    expect(current.errorMessage).toBe('The prompt was refused. Change it and try again.');
    expect((await readUser(store, generation.userId)).monthlyUsage).toBe(0);
  });

  it('shows no inside of an error that nobody expected', async () => {
    const generation = await queued();
    const provider: ImageProvider = {
      name: 'test',
      async generate() {
        throw new TypeError('secret.internal:5432 is undefined');
      },
    };
    const { current } = await workedOn(generation, provider, 'failed');
    expect(current.errorMessage).toBe('The picture could not be made.');
  });

  it('gives back what it was working on when it is stopped', async () => {
    const generation = await queued();
    const provider: ImageProvider = {
      name: 'test',
      generate: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    };
    const { current } = await workedOn(generation, provider, 'processing');
    expect(current).toMatchObject({ status: 'pending', attempts: 0 });
    expect(current.lease).toBeUndefined();
  });
});
