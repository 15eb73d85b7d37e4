import type { AnalyticsWindow, TimedUsage } from './analytics.ts';
import { DAY_MS, QUARTER_HOUR_MS, utcDay } from './calendar.ts';
import { type Usage, without } from './usage.ts';

/** Quarter-hours of a day of UTC, by their number: from the first (inclusive) to the last (exclusive). */
export interface SlotRange {
  from: number;
  to: number;
}

/** What was asked for on a day of UTC, and in its quarter-hours, at least in those that are needed one by one. */
interface CountedDay {
  day: Date;
  usage: Usage;
  slots?: readonly (Usage & { at: number })[];
}

const SLOTS_OF_A_DAY = DAY_MS / QUARTER_HOUR_MS;

/**
 * The quarter-hours that have to be known one by one to cut days of UTC where the asked days begin; null where every asked day
 * is one of UTC. All cuts lie within a part of the day, mostly the same hour, or one hour and the next: what lies before the first
 * cut, or after the last one, is left together. Whichever leaves more is taken, so that this is half of a day at most, and the hour between.
 */
export function slotsOneByOne({ days, to }: AnalyticsWindow): SlotRange | null {
  const cuts = [...days.map(({ start }) => start), to].map(slotOf).filter((slot) => slot > 0);
  if (cuts.length === 0) return null;
  const first = Math.min(...cuts);
  const last = Math.max(...cuts);
  return SLOTS_OF_A_DAY - first <= last ? { from: first, to: SLOTS_OF_A_DAY } : { from: 0, to: last };
}

const slotOf = (instant: Date): number => (instant.getTime() - utcDay(instant).getTime()) / QUARTER_HOUR_MS;

/** What is to be added up, each within one of the asked days: days of UTC, or parts of them. */
export function* partsOf(days: Iterable<CountedDay>, window: AnalyticsWindow): Generator<TimedUsage> {
  const oneByOne = slotsOneByOne(window);
  for (const { day, usage, slots = [] } of days) {
    const at = (slot: number) => day.getTime() + slot * QUARTER_HOUR_MS;
    if (!oneByOne) {
      yield { at: at(0), usage };
      continue;
    }
    const known = slots.filter((slot) => slot.at >= oneByOne.from && slot.at < oneByOne.to);
    for (const slot of known) yield { at: at(slot.at), usage: slot };
    yield { at: at(oneByOne.from === 0 ? oneByOne.to : 0), usage: without(usage, known) };
  }
}
