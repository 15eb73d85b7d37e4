/** One day of a calendar on a wall somewhere: from `start` (inclusive) to `end` (exclusive). */
export interface CalendarDay {
  /** `2026-03-29`. */
  date: string;
  start: Date;
  end: Date;
}

export const QUARTER_HOUR_MS = 15 * 60_000;
export const DAY_MS = 24 * 60 * 60_000;

/** Beyond these no zone's midnight is away from the midnight of UTC; rounded up, so that a change of offset fits in. */
const EARLIEST_MIDNIGHT_MS = -15 * 60 * 60_000;
const LATEST_MIDNIGHT_MS = 14 * 60 * 60_000;

/**
 * Whether the runtime knows that name in the IANA time zone database (https://www.iana.org/time-zones). Bare offsets, which some
 * runtimes take too, are none: they need not be whole quarter-hours.
 */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * The last `count` calendar days of the zone, today included, oldest first. A day has 23 or 25 hours when the offset changes in it,
 * and begins at the first instant of its date, also where midnight does not exist.
 */
export function calendarDays(count: number, timeZone: string, now: Date): CalendarDay[] {
  const dateAt = dateReader(timeZone);
  const today = Date.parse(dateAt(now.getTime()));
  const dates = Array.from({ length: count + 1 }, (_, index) => isoDate(today + (index - count + 1) * DAY_MS));
  const starts = dates.map((date) => new Date(startOf(date, dateAt)));
  return dates.slice(0, count).map((date, index) => ({
    date,
    start: starts[index] ?? now,
    end: starts[index + 1] ?? now,
  }));
}

/** The midnight of UTC before or at that instant. */
export function utcDay(instant: Date): Date {
  return new Date(Math.floor(instant.getTime() / DAY_MS) * DAY_MS);
}

/** The first instant of the month of UTC. */
export function utcMonth(instant: Date): Date {
  return new Date(Date.UTC(instant.getUTCFullYear(), instant.getUTCMonth()));
}

/** The first instant of the next month of UTC. */
export function nextUtcMonth(month: Date): Date {
  return new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1));
}

function isoDate(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

/** The date on the zone's calendars at an instant. */
function dateReader(timeZone: string): (milliseconds: number) => string {
  // Sweden writes dates in ISO's order, so that they can be compared as texts.
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  return (milliseconds) => format.format(milliseconds);
}

/** Offsets and their changes are whole quarter-hours, so that the first instant of a date is found among those. */
function startOf(date: string, dateAt: (milliseconds: number) => string): number {
  const midnight = Date.parse(date);
  let before = midnight + EARLIEST_MIDNIGHT_MS;
  let since = midnight + LATEST_MIDNIGHT_MS;
  while (since - before > QUARTER_HOUR_MS) {
    const steps = Math.floor((since - before) / QUARTER_HOUR_MS / 2);
    const middle = before + steps * QUARTER_HOUR_MS;
    if (dateAt(middle) < date) before = middle;
    else since = middle;
  }
  return since;
}
