import { usersOf } from '../src/models/collections.ts';
import type { Store } from '../src/models/store.ts';
import { type SeedCounts, seed } from './seed.ts';

/** Stands in the database from the beginning of the first seeding to its end. */
const MARK = 'first';
const marksOf = ({ models }: Store) => models.User.db.collection<{ _id: string; startedAt: Date }>('seedings');

/**
 * Seeds a database without users, and completes such a seeding that was cut off, also when somebody has signed up meanwhile. Nobody
 * else is given seeds: who has removed them and works with users of their own is not given them again.
 *
 * @returns what was seeded, or null where nothing was to be done
 */
export async function seedFirst(store: Store): Promise<SeedCounts | null> {
  if ((await usersOf(store).estimatedDocumentCount()) === 0) {
    const begun = { $setOnInsert: { startedAt: store.clock.now() } };
    await marksOf(store).updateOne({ _id: MARK }, begun, { upsert: true });
  } else if (!(await marksOf(store).findOne({ _id: MARK }))) {
    return null;
  }
  const counts = await seed(store);
  await endFirstSeeding(store);
  return counts;
}

/** Also what was cut off is then complete. */
export async function endFirstSeeding(store: Store): Promise<void> {
  await marksOf(store).deleteOne({ _id: MARK });
}
