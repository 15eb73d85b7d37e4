import { Types } from 'mongoose';
import { usageDaysOf } from '../../collections.ts';
import type { Store } from '../../store.ts';
import { DUE_TO_SYSTEM_INDEX, DUE_TO_TOTAL_INDEX, type DueSums, type UsageDay } from '../../UsageDay.ts';
import { isStill, replaceAll } from './guarded.ts';
import { countDays, type DayContent, dayOf } from './source.ts';
import { newest, type Sums, sumsOf, usageFrom } from './sums.ts';
import { groupBy, keyOf, rangesOver, type UserDay } from './userDay.ts';

/** A day that a sum has still to take up. */
export type DueDay = Pick<UsageDay, '_id' | 'userId' | 'day' | 'due'>;

type Held = Pick<UsageDay, 'userId' | 'day' | 'revision' | 'frozen'>;
const HELD_FIELDS = { _id: 0, userId: 1, day: 1, revision: 1, frozen: 1 } as const;

/** Computes these days of users from their generations, and replaces them. Frozen ones stay as they are. */
export async function replaceUserDays(store: Store, days: readonly UserDay[]): Promise<void> {
  if (days.length === 0) return;
  for (;;) {
    const held: Held[] = await usageDaysOf(store)
      .find({ $or: rangesOver(days, 'day') }, { projection: HELD_FIELDS })
      .toArray();
    const heldBy = new Map(held.map((day) => [keyOf(day), day]));
    const open = days.filter((day) => !heldBy.get(keyOf(day))?.frozen);
    const contents = await countDays(store, open);
    const replacements = open.flatMap((place) => {
      const seen = heldBy.get(keyOf(place))?.revision ?? null;
      const content = contents.get(keyOf(place));
      return content && (seen || content.usage.total > 0)
        ? [{ place, seen, content: { ...content, frozen: false } }]
        : [];
    });
    if (await replaceDays(store, replacements, ['system', 'total'])) return;
  }
}

/** Computes these days of the whole system from those of its users, and replaces them. */
export async function replaceSystemDays(store: Store, days: readonly Date[]): Promise<void> {
  for (;;) {
    const held: Held[] = await usageDaysOf(store)
      .find({ userId: null, day: { $in: [...days] } }, { projection: HELD_FIELDS })
      .toArray();
    const heldBy = new Map(held.map((day) => [keyOf(day), day]));
    const replacements = [];
    for (const day of days) {
      const place = { userId: null, day };
      const seen = heldBy.get(keyOf(place))?.revision ?? null;
      replacements.push({ place, seen, content: await sumOfUsers(store, day) });
    }
    if (await replaceDays(store, replacements, ['total'])) return;
  }
}

function replaceDays(
  store: Store,
  days: readonly {
    place: Pick<UsageDay, 'userId' | 'day'>;
    seen: Types.ObjectId | null;
    content: DayContent & { frozen?: boolean };
  }[],
  sums: readonly (keyof DueSums)[],
): Promise<boolean> {
  const revision = new Types.ObjectId();
  const due: DueSums = Object.fromEntries(sums.map((sum) => [sum, revision]));
  const replacements = days.map(({ place, seen, content }) => ({
    updateOne: {
      filter: { ...place, revision: isStill(seen) },
      update: { $set: { ...content, due, revision } },
      upsert: seen === null,
    },
  }));
  return replaceAll(usageDaysOf(store), replacements);
}

async function sumOfUsers(store: Store, day: Date): Promise<DayContent> {
  const rows = await usageDaysOf(store)
    .aggregate<Sums & { _id: number; lastAt: Date | null }>([
      { $match: { day, userId: { $ne: null } } },
      { $unwind: '$slots' },
      { $group: { _id: '$slots.at', lastAt: { $max: '$lastAt' }, ...sumsOf('slots') } },
      { $sort: { _id: 1 } },
    ])
    .toArray();
  const slots = rows.map((row) => ({ at: row._id, ...usageFrom(row) }));
  return { ...dayOf(slots), lastAt: newest(rows.map(({ lastAt }) => lastAt)) };
}

/** Days of users that the system's days have still to take up, by day. */
export function daysDueToSystem(store: Store, limit: number): Promise<DueDay[]> {
  return usageDaysOf(store)
    .find<DueDay>(
      { 'due.system': { $exists: true } },
      { projection: DUE_FIELDS, hint: DUE_TO_SYSTEM_INDEX, batchSize: limit },
    )
    .sort({ day: 1, userId: 1 })
    .limit(limit)
    .toArray();
}

/** Days that the totals have still to take up, by whose they are; null is the system. */
export function daysDueToTotal(store: Store, limit: number, userId?: Types.ObjectId): Promise<DueDay[]> {
  return usageDaysOf(store)
    .find<DueDay>(
      { 'due.total': { $exists: true }, ...(userId && { userId }) },
      { projection: DUE_FIELDS, hint: DUE_TO_TOTAL_INDEX, batchSize: limit },
    )
    .sort({ userId: 1, day: 1 })
    .limit(limit)
    .toArray();
}

const DUE_FIELDS = { userId: 1, day: 1, due: 1 } as const;

/** Marks days as taken up, unless they were replaced since. One command for each revision. */
export async function markTakenUp(store: Store, days: readonly DueDay[], sum: keyof DueSums): Promise<void> {
  for (const same of groupBy(days, ({ due }) => `${due[sum]?.toHexString()}`).values()) {
    const revision = same[0]?.due[sum];
    const ids = same.map(({ _id }) => _id);
    await usageDaysOf(store).updateMany(
      { _id: { $in: ids }, [`due.${sum}`]: revision },
      { $unset: { [`due.${sum}`]: 1 } },
    );
  }
}
