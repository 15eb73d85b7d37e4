import type { Types } from 'mongoose';
import { DAY_MS } from '../../../domain/calendar.ts';

/** The place of one user's day of UTC. */
export interface UserDay {
  userId: Types.ObjectId;
  /** Its midnight. */
  day: Date;
}

export const keyOf = ({ userId, day }: { userId: Types.ObjectId | null; day: Date }): string =>
  `${userId?.toHexString()}/${day.getTime()}`;

/** Each of them once. */
export function distinct<Place extends { userId: Types.ObjectId | null; day: Date }>(
  places: readonly Place[],
): Place[] {
  return [...new Map(places.map((place) => [keyOf(place), place])).values()];
}

/**
 * The filters that together match just what lies in these days, as few as possible: days that follow each other are one
 * range, and users who have the same range share a filter. Usually all of it is today.
 */
export function rangesOver<Field extends string>(days: readonly UserDay[], field: Field) {
  const runs = [...groupBy(days, ({ userId }) => userId.toHexString()).values()].flatMap(consecutiveRuns);
  return [...groupBy(runs, ({ from, to }) => `${from}-${to}`).values()].flatMap((same) => {
    const [first] = same;
    if (!first) return [];
    const bounds = { $gte: new Date(first.from), $lt: new Date(first.to) };
    return [{ userId: { $in: same.map(({ userId }) => userId) }, [field]: bounds }];
  });
}

interface Run {
  userId: Types.ObjectId;
  from: number;
  to: number;
}

/** @param days of one user */
function consecutiveRuns(days: readonly UserDay[]): Run[] {
  const runs: Run[] = [];
  for (const { userId, day } of days.toSorted((a, b) => a.day.getTime() - b.day.getTime())) {
    const from = day.getTime();
    const last = runs.at(-1);
    if (last && from <= last.to) last.to = from + DAY_MS;
    else runs.push({ userId, from, to: from + DAY_MS });
  }
  return runs;
}

export function groupBy<Item>(items: readonly Item[], keyed: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(keyed(item));
    if (group) group.push(item);
    else groups.set(keyed(item), [item]);
  }
  return groups;
}
