import type { Types } from 'mongoose';
import { errorFields } from '../config/log.ts';
import { ArtifexError } from '../domain/errors.ts';
import { GENERATION_LIMITS } from '../domain/generation.ts';
import { pictureUrl } from '../domain/pictures.ts';
import type { OutputImage } from '../models/ImageGeneration.ts';
import { type GeneratedImage, type ImageProvider, ProviderError } from '../providers/port.ts';
import { releaseLease, renewLease } from '../repositories/leases.ts';
import type { Leased } from '../repositories/queue.ts';
import type { PictureStorage } from '../storage/port.ts';
import { claim as claimNext } from '../workflows/claim.ts';
import type { Context } from '../workflows/context.ts';
import { complete, fail } from '../workflows/endGeneration.ts';
import type { RunningJob } from './repeat.ts';

export interface WorkerDeps {
  ctx: Context;
  provider: ImageProvider;
  storage: PictureStorage;
  /** Generations worked on at once. */
  concurrency: number;
}

export interface Worker extends RunningJob {
  /** Looks for work now. */
  wake(): void;
}

/** Milliseconds between two looks at the queue; work that this process creates wakes it at once. */
const IDLE_MS = 1_000;

const LEASE_SECONDS = GENERATION_LIMITS.defaultLeaseSeconds;

/**
 * Works on generations until it is stopped. Stopping abandons what is under way and gives it back unharmed, so that no
 * lease outlives the worker.
 */
export function startWorker({ ctx, provider, storage, concurrency }: WorkerDeps): Worker {
  const { log } = ctx;
  const workerId = `${provider.name}-${crypto.randomUUID()}`;
  const stopping = new AbortController();
  let alarm = Promise.withResolvers<void>();

  async function workUntilStopped(): Promise<void> {
    while (!stopping.signal.aborted) {
      const woken = alarm.promise;
      const claimed = await claim();
      if (claimed) await work(claimed);
      else await Promise.race([woken, sleep(IDLE_MS)]);
    }
  }

  async function claim(): Promise<Leased | null> {
    try {
      return await claimNext(ctx, { workerId, leaseSeconds: LEASE_SECONDS });
    } catch (error) {
      log.warn('the worker cannot reach the queue', errorFields(error));
      return null;
    }
  }

  async function work(generation: Leased): Promise<void> {
    const { _id: id, lease } = generation;
    const attempt = new AbortController();
    const signal = AbortSignal.any([stopping.signal, attempt.signal]);
    const heartbeat = setInterval(
      () => {
        renewLease(ctx, id, lease.token).catch((error: unknown) => {
          if (error instanceof ArtifexError) attempt.abort(error);
        });
      },
      (LEASE_SECONDS * 1000) / 3,
    );
    try {
      const images = await provider.generate(generation, { signal });
      await deliver(generation, images);
    } catch (error) {
      await giveUp(generation, error).catch((failure: unknown) => {
        log.warn('an attempt is left to the sweeper', { generation: id.toHexString(), ...errorFields(failure) });
      });
    } finally {
      clearInterval(heartbeat);
    }
  }

  async function deliver({ _id: id, lease }: Leased, images: GeneratedImage[]): Promise<void> {
    const names = await Promise.all(images.map(({ bytes, contentType }) => storage.put(bytes, contentType)));
    const outputImages = images.map((image, index) => outputImageOf(id, index, image, names[index] ?? ''));
    try {
      await complete(ctx, id, lease.token, { outputImages });
    } catch (error) {
      // Nobody will ever ask for pictures of an attempt that came too late.
      if (isLeaseLost(error)) await Promise.all(names.map((name) => storage.remove(name)));
      throw error;
    }
  }

  async function giveUp({ _id: id, lease }: Leased, error: unknown): Promise<void> {
    if (stopping.signal.aborted) return releaseLease(ctx, id, lease.token);
    if (isLeaseLost(error)) return;
    if (!(error instanceof ProviderError)) {
      log.error('an attempt failed unexpectedly', { generation: id.toHexString(), ...errorFields(error) });
    }
    const failure =
      error instanceof ProviderError
        ? { errorMessage: error.message, retryable: error.retryable }
        : { errorMessage: 'The picture could not be made.', retryable: true };
    await fail(ctx, id, lease.token, failure);
  }

  function wake(): void {
    alarm.resolve();
    alarm = Promise.withResolvers();
  }

  const loops = Array.from({ length: concurrency }, workUntilStopped);
  return {
    wake,
    async stop() {
      stopping.abort();
      wake();
      await Promise.all(loops);
    },
  };
}

function outputImageOf(id: Types.ObjectId, index: number, image: GeneratedImage, name: string): OutputImage {
  return {
    url: pictureUrl(name),
    filename: `${id.toHexString()}-${index + 1}.${name.split('.').at(-1)}`,
    size: image.bytes.byteLength,
    width: image.width,
    height: image.height,
    contentType: image.contentType,
  };
}

function isLeaseLost(error: unknown): boolean {
  return error instanceof ArtifexError && error.code === 'lease_lost';
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
