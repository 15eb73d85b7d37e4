import type { Types } from 'mongoose';
import { insertMissing } from '../src/models/duplicateKey.ts';
import { removeUsage } from '../src/models/statements/usage/upkeep.ts';
import type { Store } from '../src/models/store.ts';
import { historyOf } from './history.ts';
import { BULK_PREFIX, SEED_PEOPLE } from './people.ts';

export interface SeedCounts {
  users: number;
  subscriptions: number;
  generations: number;
  ledgerEntries: number;
}

/**
 * Stores the seeded people and their history. A person who is there already stays as they are, so that seeding twice makes no
 * doubles and takes nothing from a developer who has worked as one of them. The user comes last: a run that was
 * cut off is completed by the next.
 */
export async function seed(store: Store): Promise<SeedCounts> {
  const { User, Subscription, ImageGeneration, LedgerEntry } = store.models;
  const counts: SeedCounts = { users: 0, subscriptions: 0, generations: 0, ledgerEntries: 0 };
  for (const person of SEED_PEOPLE) {
    if (await User.exists({ clerkUserId: person.clerkUserId }).setOptions({ withDeleted: true })) continue;
    const { user, subscription, generations, ledger } = historyOf(person, store.clock.now());
    await insertMissing(() => LedgerEntry.insertMany(ledger, { ordered: false }));
    await insertMissing(() => ImageGeneration.insertMany(generations, { ordered: false }));
    if (subscription) await insertMissing(() => Subscription.insertMany([subscription], { ordered: false }));
    await insertMissing(() => User.insertMany([user], { ordered: false }));
    counts.users += 1;
    counts.subscriptions += subscription ? 1 : 0;
    counts.generations += generations.length;
    counts.ledgerEntries += ledger.length;
  }
  return counts;
}

/** Removes the seeded people and all that is theirs, and nothing else. */
export async function cleanup(store: Store, onProgress?: (generationsRemoved: number) => void): Promise<SeedCounts> {
  const { User, Subscription, ImageGeneration, LedgerEntry, WebhookEndpoint, WebhookDelivery } = store.models;
  const seeded = await User.find({
    $or: [
      { clerkUserId: { $in: SEED_PEOPLE.map(({ clerkUserId }) => clerkUserId) } },
      { clerkUserId: { $regex: `^${BULK_PREFIX}\\d+$` } },
    ],
  })
    .setOptions({ withDeleted: true })
    .select('_id')
    .lean();
  const counts: SeedCounts = { users: 0, subscriptions: 0, generations: 0, ledgerEntries: 0 };
  const ids: Types.ObjectId[] = seeded.map(({ _id }) => _id);
  const everything = { withDeleted: true };
  for (const theirs of inChunks(ids)) {
    counts.ledgerEntries += (await LedgerEntry.deleteMany(theirs)).deletedCount;
    counts.generations += (await ImageGeneration.deleteMany(theirs).setOptions(everything)).deletedCount;
    counts.subscriptions += (await Subscription.deleteMany(theirs).setOptions(everything)).deletedCount;
    await WebhookEndpoint.deleteMany(theirs).setOptions(everything);
    await WebhookDelivery.deleteMany(theirs);
    onProgress?.(counts.generations);
  }
  await removeUsage(store, ids);
  // The users go last, so that a run that was cut off still knows whose the rest is.
  counts.users = (await User.deleteMany({ _id: { $in: ids } }).setOptions(everything)).deletedCount;
  return counts;
}

/** So many users that each command takes a moment, however much is theirs. */
const CHUNK = 20;

function inChunks(ids: readonly Types.ObjectId[]) {
  return Array.from({ length: Math.ceil(ids.length / CHUNK) }, (_, index) => ({
    userId: { $in: ids.slice(index * CHUNK, (index + 1) * CHUNK) },
  }));
}
