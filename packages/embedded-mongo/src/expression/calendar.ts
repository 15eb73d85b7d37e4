/** Calendar arithmetic on UTC milliseconds, without `Date` objects: proleptic Gregorian, as MongoDB's. */
export const MS_PER_DAY = 86_400_000;

export interface Civil {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
}

export function daysFromCivil(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return Math.round(date.getTime() / MS_PER_DAY);
}

export function civilFromDays(days: number): Civil {
  const date = new Date(days * MS_PER_DAY);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

/** Sunday is 0. */
export function weekdayOfDays(days: number): number {
  return (((days + 4) % 7) + 7) % 7;
}

export function daysInMonth(year: number, month: number): number {
  return new Date(Date.UTC(2000 + (((year % 400) + 400) % 400), month, 0)).getUTCDate();
}

export function splitMs(ms: number): { days: number; rest: number } {
  const days = Math.floor(ms / MS_PER_DAY);
  return { days, rest: ms - days * MS_PER_DAY };
}

/** ISO 8601 week and the year it belongs to. */
export function isoWeek(days: number): { week: number; year: number } {
  const weekday = (weekdayOfDays(days) + 6) % 7;
  const thursday = days - weekday + 3;
  const { year } = civilFromDays(thursday);
  return { week: Math.floor((thursday - daysFromCivil(year, 1, 1)) / 7) + 1, year };
}

export function dayOfYear(days: number): number {
  return days - daysFromCivil(civilFromDays(days).year, 1, 1) + 1;
}
