import { Types } from 'mongoose';
import type { ImageGeneration, OutputImage } from '@/models/ImageGeneration.ts';
import { admitWaiting } from '@/repositories/admission.ts';
import { claimGeneration, type Leased } from '@/repositories/queue.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { contextOf } from '../../support/context.ts';
import type { TestStore } from '../../support/database.ts';

/** A call whose every command is tried under every fault. */
export interface Scenario {
  name: string;
  /**
   * Brings about what the call finds.
   *
   * @returns the call, made anew by each process that makes it, as a repeat of it would be
   */
  prepare(store: TestStore, userId: Types.ObjectId): Promise<() => Promise<unknown>>;
  /**
   * - `once`: it happens wholly or not at all, and a repeat changes nothing more.
   * - `each`: it happens wholly or not at all, and every repeat does it again.
   * - `stepwise`: what is cut off may have been done in part; a repeat does the rest.
   */
  effect: 'once' | 'each' | 'stepwise';
  /** It is what the living do for the dead in any scenario. */
  isRecovery?: true;
  /** The code by which a call is refused that finds itself done. */
  whenDone?: string;
}

export const IMAGE = { type: 'text-to-image', prompt: 'A quiet bay', count: 2 } as const;

export const pictures = (count: number): OutputImage[] =>
  Array.from({ length: count }, (_, index) => ({ url: `/images/${index}.png`, filename: `${index}.png`, size: 1 }));

export const LIBRARY = { kind: 'library' } as const;

const DAY = 86_400_000;
export const daysOn = (store: TestStore, days: number) => new Date(store.clock.now().getTime() + days * DAY);

/** A subscription that nobody sells, to `plus`, whose process died before the account followed. */
export async function unfollowedSubscription(store: TestStore, userId: Types.ObjectId, days: number): Promise<void> {
  await store.models.Subscription.create({
    userId,
    tier: 'plus',
    status: 'active',
    currentPeriodEnd: daysOn(store, days),
    unapplied: store.clock.now(),
  });
}

/** A paid generation that waits, in the queue if its user has a slot. */
export async function waiting(store: TestStore, _id: Types.ObjectId): Promise<ImageGeneration> {
  const { generation } = await createGeneration(contextOf(store), { _id }, IMAGE);
  await admitWaiting(store, [_id]);
  return generation;
}

/** A paid generation that a worker holds. */
export async function held(store: TestStore, _id: Types.ObjectId): Promise<Leased> {
  await waiting(store, _id);
  const claimed = await claimGeneration(store, { workerId: 'w', leaseSeconds: 60 });
  if (!claimed) throw new Error('There is a generation to claim');
  return claimed;
}

/** Gives one copy after the other: every process acts on a document that it has read itself. */
export async function copies<Document>(read: () => Promise<Document>): Promise<() => Document> {
  const all = [await read(), await read(), await read()];
  return () => {
    const next = all.pop();
    if (!next) throw new Error('A call is made three times at most');
    return next;
  };
}

/** Words of their own for an idempotency key. */
export function someKey() {
  const words = new Types.ObjectId().toHexString();
  return { key: words, fingerprint: words };
}
