import { DAY_MS } from '../../src/domain/calendar.ts';
import type { SubscriptionTier } from '../../src/domain/tiers.ts';
import type { BulkPerson } from './person.ts';

/** How likely a day is one on which somebody creates something, and how many requests then follow the first one. */
const HABITS: Readonly<Record<SubscriptionTier, { activeDays: number; more: number }>> = {
  free: { activeDays: 0.2, more: 0.8 },
  plus: { activeDays: 0.5, more: 2 },
  pro: { activeDays: 0.75, more: 18 },
};

/** How the requests of a day are spread over its hours, from midnight on. */
const HOURS = [3, 2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 9, 8, 8, 9, 8, 8, 8, 9, 11, 13, 12, 9, 6] as const;
const ALL_HOURS = HOURS.reduce((sum: number, weight) => sum + weight, 0);

const HOUR_MS = 60 * 60_000;
const SECOND_MS = 1_000;

/** The instants of the person's requests, in order, from sign-up to `now`. */
export function requestTimes(person: BulkPerson, signedUpAt: Date, now: Date): number[] {
  const { random, offset, subscriptionTier } = person;
  const { activeDays, more } = HABITS[subscriptionTier];
  const localMidnight = Math.floor((signedUpAt.getTime() + offset * HOUR_MS) / DAY_MS) * DAY_MS - offset * HOUR_MS;
  const times: number[] = [];
  for (let midnight = localMidnight; midnight <= now.getTime(); midnight += DAY_MS) {
    // Everybody tries it on the day of sign-up; after that, weekends are quieter.
    const isFirst = midnight === localMidnight;
    if (!isFirst && !random.chance(activeDays * (isWeekend(midnight + offset * HOUR_MS) ? 0.7 : 1))) continue;
    let at = isFirst ? signedUpAt.getTime() + random.between(60, 900) * SECOND_MS : midnight + hourOf(person) * HOUR_MS;
    for (let left = 1 + random.geometric(more); left > 0; left -= 1) {
      if (at > signedUpAt.getTime() && at <= now.getTime()) times.push(Math.floor(at));
      // People look at a picture and ask for the next one, or come back at another hour.
      at = random.chance(0.85) ? at + random.between(25, 400) * SECOND_MS : midnight + hourOf(person) * HOUR_MS;
    }
  }
  return times.sort((a, b) => a - b);
}

function hourOf({ random }: BulkPerson): number {
  let left = random.next() * ALL_HOURS;
  const hour = HOURS.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  return hour + random.next();
}

function isWeekend(localTime: number): boolean {
  const weekday = new Date(localTime).getUTCDay();
  return weekday === 0 || weekday === 6;
}
