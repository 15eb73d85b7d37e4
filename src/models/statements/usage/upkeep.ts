import { Types } from 'mongoose';
import { emptyUsage } from '../../../domain/usage.ts';
import { usageDaysOf, usageTotalsOf } from '../../collections.ts';
import type { Store } from '../../store.ts';
import { UNFROZEN_INDEX } from '../../UsageDay.ts';
import { rollUp } from './rollUp.ts';

/**
 * Keeps, for ever, the counts of every day of UTC that begins before `before`: from then on generations that were created before that
 * instant may be removed for good, and stay counted. Repeat it for every removal; days that are frozen cost nothing.
 * What still changes in a frozen day of a user is not counted any more.
 *
 * @returns how many days of users it froze
 */
export async function freezeDays(store: Store, before: Date): Promise<number> {
  await rollUp(store);
  let frozen = 0;
  // Day by day, so that no command takes long, however many there are.
  for (;;) {
    const [oldest] = await usageDaysOf(store)
      .find({ day: { $lt: before }, frozen: false }, { projection: { day: 1 }, hint: UNFROZEN_INDEX })
      .sort({ day: 1 })
      .limit(1)
      .toArray();
    if (!oldest) return frozen;
    const { modifiedCount } = await usageDaysOf(store).updateMany(
      { day: oldest.day, frozen: false },
      // Another revision, so that a computation under way cannot replace the day once its generations are gone.
      { $set: { frozen: true, revision: new Types.ObjectId() } },
      { hint: UNFROZEN_INDEX },
    );
    frozen += modifiedCount;
  }
}

/**
 * Removes all that is counted of these users, whose generations have been removed for good, also from the system's days and totals.
 * It may be cut off anywhere and repeated.
 */
export async function removeUsage(store: Store, userIds: readonly Types.ObjectId[]): Promise<void> {
  const all = Array.from({ length: Math.ceil(userIds.length / USERS_AT_ONCE) }, (_, index) => ({
    userId: { $in: userIds.slice(index * USERS_AT_ONCE, (index + 1) * USERS_AT_ONCE) },
  }));
  const revision = new Types.ObjectId();
  const empty = { usage: emptyUsage(), slots: [], lastAt: null, frozen: false };
  for (const theirs of all) {
    await usageDaysOf(store).updateMany(theirs, { $set: { ...empty, revision, 'due.system': revision } });
  }
  await rollUp(store);
  for (const theirs of all) {
    await usageDaysOf(store).deleteMany(theirs);
    await usageTotalsOf(store).deleteMany(theirs);
  }
}

/** So many that each command takes a moment. */
const USERS_AT_ONCE = 50;
