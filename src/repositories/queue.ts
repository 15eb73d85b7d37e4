import type { Types } from 'mongoose';
import { IMAGE_GENERATION_TYPES, type ImageGenerationType } from '../domain/generation.ts';
import { generationsOf } from '../models/collections.ts';
import { type ImageGeneration, type Lease, OBLIGATIONS } from '../models/ImageGeneration.ts';
import { begun } from '../models/statements/moves.ts';
import type { Store } from '../models/store.ts';

/** What a worker asks for. */
export interface Claim {
  workerId: string;
  /** Seconds without a heartbeat after which the worker counts as dead. */
  leaseSeconds: number;
  /** What the worker can do; without, everything. */
  types?: readonly ImageGenerationType[] | undefined;
}

export type Leased = ImageGeneration & Required<Pick<ImageGeneration, 'lease'>>;

/**
 * The longest-waiting generation in the queue, now leased to this worker, or null when none waits. It is the first that its index
 * names, however many wait.
 */
export async function claimGeneration(store: Store, claim: Claim): Promise<Leased | null> {
  const types = [...new Set(claim.types)];
  if (types.length === 0 || types.length === IMAGE_GENERATION_TYPES.length) return claimFirst(store, claim);
  for (const type of types.length === 1 ? types : await typesByAge(store, types)) {
    const claimed = await claimFirst(store, claim, type);
    if (claimed) return claimed;
  }
  return null;
}

const QUEUED = { availableAt: { $exists: true } };
const ORDER = { availableAt: 1, _id: 1 } as const;
const WAITING_ORDER = { userId: 1, waitingSince: 1, _id: 1 } as const;

async function claimFirst(
  store: Store,
  { workerId, leaseSeconds }: Claim,
  type?: ImageGenerationType,
): Promise<Leased | null> {
  const now = store.clock.now();
  const lease: Lease = {
    token: crypto.randomUUID(),
    workerId,
    seconds: leaseSeconds,
    expiresAt: new Date(now.getTime() + leaseSeconds * 1000),
    attemptStartedAt: now,
  };
  const claimed = await generationsOf(store).findOneAndUpdate(
    { ...QUEUED, status: 'pending', ...(type && { type }) },
    begun(now, lease),
    // The one index that has them in order: nothing is left to a plan that an earlier state of the queue has made.
    { sort: ORDER, hint: { ...(type && { type: 1 }), ...ORDER }, returnDocument: 'after' },
  );
  return claimed && { ...claimed, lease };
}

/** Those of the types of which something waits, the longest-waiting first: it reads the first of each. */
async function typesByAge(store: Store, types: readonly ImageGenerationType[]): Promise<ImageGenerationType[]> {
  const firstOf = (type: ImageGenerationType) => [
    { $match: { ...QUEUED, type } },
    { $sort: ORDER },
    { $limit: 1 },
    { $project: { type: 1, availableAt: 1 } },
  ];
  const coll = generationsOf(store).collectionName;
  const [first, ...others] = types.map(firstOf);
  const heads = await generationsOf(store)
    .aggregate<Pick<ImageGeneration, 'type'>>([
      ...(first ?? []),
      ...others.map((pipeline) => ({ $unionWith: { coll, pipeline } })),
      { $sort: ORDER },
    ])
    .toArray();
  return heads.map(({ type }) => type);
}

/** Beyond this many the queue is not counted: a reading costs so many keys of an index at most. */
const MOST_COUNTED = 10_000;

/** How many wait in the queue and outside of it, by their indexes alone, and since when the first does. */
export async function queueState(store: Store) {
  const some = { $gt: new Date(0) };
  const counted = { limit: MOST_COUNTED };
  const [queued, waiting, first] = await Promise.all([
    generationsOf(store).countDocuments({ availableAt: some }, { ...counted, hint: ORDER }),
    generationsOf(store).countDocuments({ waitingSince: some }, { ...counted, hint: WAITING_ORDER }),
    generationsOf(store).findOne(QUEUED, { sort: ORDER, hint: ORDER, projection: { availableAt: 1 } }),
  ]);
  const since = first?.availableAt;
  const oldestSeconds = since ? Math.max(0, (store.clock.now().getTime() - since.getTime()) / 1000) : 0;
  return { queued, waiting, oldestSeconds };
}

/** Generations that have ended and still owe something to their users, but for those `except`. */
export function owingGenerations(
  store: Store,
  limit: number,
  except: readonly Types.ObjectId[] = [],
): Promise<ImageGeneration[]> {
  return generationsOf(store)
    .find({ owes: { $in: [...OBLIGATIONS] }, _id: { $nin: [...except] } })
    .limit(limit)
    .toArray();
}
