import { Types } from 'mongoose';
import { generationsOf, ledgerOf, usersOf } from '../../src/models/collections.ts';
import { rollUp } from '../../src/models/statements/usage/rollUp.ts';
import { removeUsage } from '../../src/models/statements/usage/upkeep.ts';
import type { Store } from '../../src/models/store.ts';
import { BULK_PREFIX } from '../people.ts';
import type { SeedCounts } from '../seed.ts';
import { type BulkHistory, bulkHistory, bulkUserId } from './history.ts';
import { bulkPerson } from './person.ts';

export interface Progress {
  /** Generations stored, earlier runs included. */
  onStored?: (generations: number) => void;
  /** Generations that the rollups have taken up, of how many new ones. */
  onRolledUp?: (generations: number, of: number) => void;
}

/** Generations that are made and stored together: with those that are being made meanwhile, all that is held in memory. */
const BATCH = 5_000;
const USERS_AT_ONCE = 200;

/**
 * Makes the large history: people who have asked for `target` generations together. Those who are there already count, and stay as
 * they are; so a second run does nothing, and one with a larger number makes more people. Each batch stores its users last: what
 * a run that was cut off has left of others is removed before they are made again.
 */
export async function sowHistory(
  store: Store,
  target: number,
  { onStored, onRolledUp }: Progress = {},
): Promise<SeedCounts> {
  const counts: SeedCounts = { users: 0, subscriptions: 0, generations: 0, ledgerEntries: 0 };
  const now = store.clock.now();
  const present = await sown(store);
  let { generations: made, lastNumber } = present;
  let storing = Promise.resolve();
  onStored?.(made);
  while (made < target) {
    const batch: BulkHistory[] = [];
    let size = 0;
    while (size < BATCH && made + size < target) {
      lastNumber += 1;
      const history = bulkHistory(bulkPerson(lastNumber), now, target - made - size);
      batch.push(history);
      size += history.generations.length;
      counts.users += 1;
      counts.subscriptions += history.subscription ? 1 : 0;
      counts.ledgerEntries += history.ledger.length;
    }
    made += size;
    counts.generations += size;
    // One batch is stored while the next one is made.
    await storing;
    const stored = made;
    storing = write(store, batch).then(() => onStored?.(stored));
  }
  await storing;
  await rollUp(store, { onProgress: (generations) => onRolledUp?.(generations, counts.generations) });
  return counts;
}

/** How much there is. The ledger tells, since it loses nothing to the nightly cleanup. */
async function sown(store: Store): Promise<{ generations: number; lastNumber: number }> {
  const people = await usersOf(store)
    .find({ clerkUserId: { $regex: `^${BULK_PREFIX}\\d+$` } }, { projection: { clerkUserId: 1 } })
    .toArray();
  let generations = 0;
  for (let index = 0; index < people.length; index += USERS_AT_ONCE) {
    const ids = people.slice(index, index + USERS_AT_ONCE).map(({ _id }) => _id);
    generations += await ledgerOf(store).countDocuments({ userId: { $in: ids }, kind: 'charge' });
  }
  const numbers = people.map(({ clerkUserId }) => Number(clerkUserId.slice(BULK_PREFIX.length)));
  return { generations, lastNumber: numbers.reduce((last, number) => Math.max(last, number), 0) };
}

async function write(store: Store, batch: readonly BulkHistory[]): Promise<void> {
  const { User, Subscription } = store.models;
  await removeLeftovers(store, batch);
  await ledgerOf(store).insertMany(
    batch.flatMap(({ ledger }) => ledger),
    { ordered: false },
  );
  // Stored as taken up by a run, so that the rollups need not mark them first.
  const counted = { run: new Types.ObjectId() };
  await generationsOf(store).insertMany(
    batch.flatMap(({ generations }) => generations.map((generation) => ({ ...generation, counted }))),
    { ordered: false },
  );
  // Through the model, which encrypts Stripe's ids.
  await Subscription.insertMany(batch.flatMap(({ subscription }) => subscription ?? []));
  await User.insertMany(batch.map(({ user }) => user));
}

/** Ids follow from names, so that what a run left of somebody who was not stored in the end can be found. */
async function removeLeftovers(store: Store, batch: readonly BulkHistory[]): Promise<void> {
  const userIds = batch.map(({ user }) => bulkUserId(user.clerkUserId));
  const theirs = { userId: { $in: userIds } };
  await ledgerOf(store).deleteMany(theirs);
  await store.models.Subscription.deleteMany(theirs).setOptions({ withDeleted: true });
  const { deletedCount } = await generationsOf(store).deleteMany(theirs);
  if (deletedCount > 0) await removeUsage(store, userIds);
}
