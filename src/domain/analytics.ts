import { type CalendarDay, calendarDays, isTimeZone } from './calendar.ts';
import { ValidationFailedError } from './errors.ts';
import { add, emptyUsage, summaryOf, type Usage, type UsageSummary } from './usage.ts';

export const ANALYTICS_LIMITS = Object.freeze({ minDays: 1, maxDays: 365 });
export const ANALYTICS_DEFAULTS = Object.freeze({ days: 30, timezone: 'UTC' });

/** What is asked of analytics. */
export interface AnalyticsRequest {
  /** Calendar days, today included. */
  days?: number | undefined;
  /** A name of the IANA time zone database. */
  timezone?: string | undefined;
}

/** The calendar days that were asked for. */
export interface AnalyticsWindow {
  timezone: string;
  days: CalendarDay[];
  /** Inclusive. */
  from: Date;
  /** Exclusive. */
  to: Date;
}

export interface DailyUsage {
  date: string;
  total: number;
  completed: number;
  failed: number;
  credits: number;
}

/** Usage of a stretch of time that begins at `at` and lies within one calendar day of any zone. */
export interface TimedUsage {
  at: number;
  usage: Usage;
}

/** @throws {ValidationFailedError} */
export function windowOf(
  { days = ANALYTICS_DEFAULTS.days, timezone = ANALYTICS_DEFAULTS.timezone }: AnalyticsRequest,
  now: Date,
): AnalyticsWindow {
  const { minDays, maxDays } = ANALYTICS_LIMITS;
  if (!Number.isInteger(days) || days < minDays || days > maxDays) {
    throw new ValidationFailedError([{ path: 'days', message: `Give a whole number from ${minDays} to ${maxDays}` }]);
  }
  if (!isTimeZone(timezone)) {
    throw new ValidationFailedError([{ path: 'timezone', message: 'Give an IANA time zone, such as Europe/Paris' }]);
  }
  const asked = calendarDays(days, timezone, now);
  return { timezone, days: asked, from: asked[0]?.start ?? now, to: asked.at(-1)?.end ?? now };
}

/** Adds up what lies within the window, as a whole and by its days; every day is present. */
export function summarize(
  { days }: AnalyticsWindow,
  parts: Iterable<TimedUsage>,
): { summary: UsageSummary; daily: DailyUsage[] } {
  const whole = emptyUsage();
  const daily = days.map(({ date }) => ({ date, total: 0, completed: 0, failed: 0, credits: 0 }));
  for (const { at, usage } of parts) {
    const day = daily[indexOfDay(days, at)];
    if (!day) continue;
    add(whole, usage);
    day.total += usage.total;
    day.completed += usage.byStatus.completed ?? 0;
    day.failed += usage.byStatus.failed ?? 0;
    day.credits += usage.credits;
  }
  return { summary: summaryOf(whole), daily };
}

/** The day in which an instant lies; -1 outside all of them. */
function indexOfDay(days: readonly CalendarDay[], at: number): number {
  let low = 0;
  let high = days.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const day = days[middle];
    if (!day) return -1;
    if (at < day.start.getTime()) high = middle - 1;
    else if (at >= day.end.getTime()) low = middle + 1;
    else return middle;
  }
  return -1;
}
