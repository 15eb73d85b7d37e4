import type { Types } from 'mongoose';
import type { GenerationStatus } from '../domain/lifecycle.ts';
import { generationsOf, usersOf } from '../models/collections.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';
import type { Store } from '../models/store.ts';

export type Retired = Pick<ImageGeneration, '_id' | 'userId' | 'status' | 'outputImages' | 'charge'>;

/** Generations of final statuses that were made, or that their users deleted, before an instant. */
export interface Retirement {
  statuses: readonly GenerationStatus[];
  endedBefore: Date;
  deletedBefore: Date;
}

const RETIRED_FIELDS = { _id: 1, userId: 1, status: 1, outputImages: 1, charge: 1 } as const;

/** What may be removed for good, in batches, as far as the generations themselves tell; the user-deleted ones come last. */
export async function* retiredGenerations(
  store: Store,
  retirement: Retirement,
  batchSize: number,
): AsyncGenerator<Retired[]> {
  for (const { filter, hint } of retiredFilters(retirement)) {
    const found = generationsOf(store).find<Retired>(filter, { projection: RETIRED_FIELDS, batchSize, hint });
    let batch: Retired[] = [];
    for await (const generation of found) {
      batch.push(generation);
      if (batch.length < batchSize) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  }
}

/** Removes them for good, but for those that have come to owe something or to life since they were read. */
export async function removeGenerations(
  store: Store,
  ids: Types.ObjectId[],
  { statuses }: Pick<Retirement, 'statuses'>,
): Promise<number> {
  if (ids.length === 0) return 0;
  const { deletedCount } = await generationsOf(store).deleteMany({ _id: { $in: ids }, ...atRest(statuses) });
  return deletedCount;
}

function retiredFilters({ statuses, endedBefore, deletedBefore }: Retirement) {
  const notEndedLater = { $not: { $gte: endedBefore } };
  return [
    {
      filter: {
        ...atRest(statuses),
        createdAt: { $lt: endedBefore },
        completedAt: notEndedLater,
        failedAt: notEndedLater,
      },
      hint: { status: 1, createdAt: 1 },
    },
    {
      filter: { ...atRest(statuses), deletedAt: { $lt: deletedBefore }, isDeleted: true },
      // Of all that came to their end, few were deleted.
      hint: { deletedAt: 1 },
    },
  ];
}

/** Nothing is owed, nobody works on it, the audit trail has all that was done to it, and callers have been told. */
function atRest(statuses: readonly GenerationStatus[]) {
  const none = { $exists: false };
  return { status: { $in: [...statuses] }, owes: none, lease: none, openActs: none, announcements: none };
}

/**
 * Those of them that their users' accounts still need: one with an open entry, which settlement would else write again, and a
 * delivered one that was paid from the period that runs, since the period's usage is held against it.
 */
export async function neededByAccounts(store: Store, generations: readonly Retired[]): Promise<Set<string>> {
  const now = store.clock.now();
  const accounts = await usersOf(store)
    .find(
      { _id: { $in: generations.map(({ userId }) => userId) } },
      { projection: { openEntries: 1, periodNumber: 1, quotaResetDate: 1 } },
    )
    .toArray();
  const open = accounts
    .flatMap(({ openEntries }) => Object.values(openEntries))
    .filter(({ settledAt }) => settledAt === undefined)
    .flatMap(({ generationId }) => (generationId ? [generationId.toHexString()] : []));
  const running = new Map(
    accounts
      .filter(({ quotaResetDate }) => quotaResetDate > now)
      .map(({ _id, periodNumber }) => [_id.toHexString(), periodNumber]),
  );
  const paidNow = generations
    .filter(({ status, userId, charge }) => {
      return status === 'completed' && charge !== undefined && charge.period === running.get(userId.toHexString());
    })
    .map(({ _id }) => _id.toHexString());
  return new Set([...open, ...paidNow]);
}
