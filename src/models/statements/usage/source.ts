import type { Types } from 'mongoose';
import { QUARTER_HOUR_MS, utcDay } from '../../../domain/calendar.ts';
import { add, count, emptyUsage, type Usage } from '../../../domain/usage.ts';
import { generationsOf } from '../../collections.ts';
import { type Counted, type ImageGeneration, UNCOUNTED_INDEX } from '../../ImageGeneration.ts';
import type { Store } from '../../store.ts';
import type { UsageDay, UsageSlot } from '../../UsageDay.ts';
import { groupBy, keyOf, rangesOver, type UserDay } from './userDay.ts';

/** A generation of which the rollups do not hold the latest state. */
export type Uncounted = Pick<ImageGeneration, '_id' | 'userId' | 'createdAt'> & { counted?: Counted };

/** What one day's generations amount to. */
export type DayContent = Pick<UsageDay, 'usage' | 'slots' | 'lastAt'>;

const UNCOUNTED = { 'counted.done': null };

/** Deleted ones too: they have to leave the days in which they were counted. */
export function findUncounted(store: Store, limit: number, userId?: Types.ObjectId): Promise<Uncounted[]> {
  return generationsOf(store)
    .find<Uncounted>(
      { ...UNCOUNTED, ...(userId && { userId }) },
      { projection: { userId: 1, createdAt: 1, counted: 1 }, hint: UNCOUNTED_INDEX, batchSize: limit },
    )
    .sort({ userId: 1, createdAt: 1, _id: 1 })
    .limit(limit)
    .toArray();
}

/** The user's days within the time from which something was not counted yet. */
export async function uncountedDays(store: Store, userId: Types.ObjectId, from: Date, to: Date): Promise<UserDay[]> {
  const days = await generationsOf(store)
    .aggregate<{ _id: Date }>(
      [
        { $match: { ...UNCOUNTED, userId, createdAt: { $gte: from, $lt: to } } },
        { $group: { _id: { $dateTrunc: { date: '$createdAt', unit: 'day' } } } },
      ],
      { hint: UNCOUNTED_INDEX },
    )
    .toArray();
  return days.map(({ _id }) => ({ userId, day: _id }));
}

/**
 * Takes the generations up, each in the state that it has now: a change from now on takes the mark away again. What a run
 * that died has taken up keeps its mark; who finds it goes on with it.
 */
export async function takeUp(store: Store, uncounted: readonly Uncounted[], run: Types.ObjectId): Promise<Uncounted[]> {
  const ids = uncounted.filter(({ counted }) => counted === undefined).map(({ _id }) => _id);
  if (ids.length > 0) {
    await generationsOf(store).updateMany(
      { _id: { $in: ids }, counted: { $exists: false } },
      { $set: { counted: { run } } },
    );
  }
  return uncounted.map((generation) => ({ counted: { run }, ...generation }));
}

/** Marks as counted what has not changed since it was taken up. One command for each run that took it up. */
export async function markCounted(store: Store, taken: readonly Uncounted[]): Promise<void> {
  for (const same of groupBy(taken, ({ counted }) => `${counted?.run.toHexString()}`).values()) {
    const run = same[0]?.counted?.run;
    if (!run) continue;
    const ids = same.map(({ _id }) => _id);
    await generationsOf(store).updateMany(
      { _id: { $in: ids }, 'counted.run': run },
      { $set: { 'counted.done': true } },
    );
  }
}

const COUNTED_FIELDS = { _id: 0, userId: 1, createdAt: 1, status: 1, type: 1, credits: 1, processingTime: 1 } as const;
/** Generations in one answer of the database. */
const AT_ONCE = 5_000;

/** Counts these days from the generations themselves, and reads only theirs. A day without any is empty. */
export async function countDays(store: Store, days: readonly UserDay[]): Promise<Map<string, DayContent>> {
  const drafts = new Map(days.map((day) => [keyOf(day), new Draft()]));
  if (days.length === 0) return new Map();
  const generations = generationsOf(store).find(
    { isDeleted: false, $or: rangesOver(days, 'createdAt') },
    { projection: COUNTED_FIELDS, batchSize: AT_ONCE },
  );
  for (const generation of await generations.toArray()) {
    const { userId, createdAt } = generation;
    drafts.get(keyOf({ userId, day: utcDay(createdAt) }))?.take(generation);
  }
  return new Map([...drafts].map(([key, draft]) => [key, draft.content()]));
}

class Draft {
  private readonly slots = new Map<number, Usage>();
  private lastAt: Date | null = null;

  take(generation: ImageGeneration): void {
    const { createdAt } = generation;
    const at = Math.floor((createdAt.getTime() - utcDay(createdAt).getTime()) / QUARTER_HOUR_MS);
    const slot = this.slots.get(at) ?? emptyUsage();
    this.slots.set(at, slot);
    count(slot, generation);
    if (this.lastAt === null || createdAt > this.lastAt) this.lastAt = createdAt;
  }

  content(): DayContent {
    const slots = [...this.slots].map(([at, slot]) => ({ at, ...slot })).sort((a, b) => a.at - b.at);
    return { ...dayOf(slots), lastAt: this.lastAt };
  }
}

/** A day, given by its quarter-hours. */
export function dayOf(slots: UsageSlot[]): Pick<UsageDay, 'usage' | 'slots'> {
  const usage = emptyUsage();
  for (const slot of slots) add(usage, slot);
  return { usage, slots };
}
