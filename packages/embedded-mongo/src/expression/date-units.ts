import { badValue, MongoError } from '../errors.ts';
import { civilFromDays, daysFromCivil, daysInMonth, MS_PER_DAY, splitMs, weekdayOfDays } from './calendar.ts';
import { toLocal, toUtc, type Zone } from './timezone.ts';

export type Unit = 'year' | 'quarter' | 'month' | 'week' | 'day' | 'hour' | 'minute' | 'second' | 'millisecond';

const MONTHS: Partial<Record<Unit, number>> = { year: 12, quarter: 3, month: 1 };
const DAYS: Partial<Record<Unit, number>> = { week: 7, day: 1 };
const MILLISECONDS: Partial<Record<Unit, number>> = { hour: 3_600_000, minute: 60_000, second: 1000, millisecond: 1 };
const UNITS = new Set<string>([...Object.keys(MONTHS), ...Object.keys(DAYS), ...Object.keys(MILLISECONDS)]);

export function unitOf(name: string, operator: string): Unit {
  if (!UNITS.has(name)) {
    throw new MongoError(9, `${operator} parameter 'unit' value cannot be recognized as a time unit: ${name}`);
  }
  return name as Unit;
}

/** Sunday is 0. */
export function weekdayOf(name: string, operator: string): number {
  const at = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'].indexOf(name.toLowerCase().slice(0, 3));
  const full = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'][at];
  const lower = name.toLowerCase();
  if (full === undefined || (lower !== full && lower !== full.slice(0, 3))) {
    throw new MongoError(
      9,
      `${operator} parameter 'startOfWeek' value cannot be recognized as a day of a week: ${name}`,
    );
  }
  return at;
}

/**
 * `$dateAdd`: months keep the day, or take the month's last one; days keep the local time through a change of
 * offset; smaller units are plain durations (manual: reference/operator/aggregation/dateAdd).
 */
export function addUnits(ms: number, unit: Unit, amount: number, zone: Zone): number {
  const duration = MILLISECONDS[unit];
  if (duration !== undefined) return checked(ms + amount * duration);
  const { days, rest } = splitMs(toLocal(ms, zone));
  const months = MONTHS[unit];
  if (months === undefined) return checked(toUtc((days + amount * (DAYS[unit] ?? 1)) * MS_PER_DAY + rest, zone));
  const { year, month, day } = civilFromDays(days);
  const count = year * 12 + (month - 1) + amount * months;
  const newYear = Math.floor(count / 12);
  const newMonth = count - newYear * 12 + 1;
  const newDay = Math.min(day, daysInMonth(newYear, newMonth));
  return checked(toUtc(daysFromCivil(newYear, newMonth, newDay) * MS_PER_DAY + rest, zone));
}

function checked(ms: number): number {
  if (!Number.isSafeInteger(ms)) throw new MongoError(5166406, '$dateAdd overflowed');
  return ms;
}

/** `$dateDiff`: how many boundaries of the unit lie between, in local time. */
export function unitsBetween(start: number, end: number, unit: Unit, zone: Zone, startOfWeek: number): number {
  const duration = MILLISECONDS[unit];
  const from = toLocal(start, zone);
  const to = toLocal(end, zone);
  if (unit === 'millisecond') return end - start;
  if (duration !== undefined) {
    // Hours and less are counted on the instants, so that a skipped hour does not count.
    const shift = zone.offsetAt(start) % duration;
    return Math.floor((end + shift) / duration) - Math.floor((start + shift) / duration);
  }
  const a = splitMs(from).days;
  const b = splitMs(to).days;
  if (unit === 'day') return b - a;
  if (unit === 'week') return (startOfWeekDays(b, startOfWeek) - startOfWeekDays(a, startOfWeek)) / 7;
  return monthIndex(b, unit) - monthIndex(a, unit);
}

function monthIndex(days: number, unit: Unit): number {
  const { year, month } = civilFromDays(days);
  return Math.floor((year * 12 + month - 1) / (MONTHS[unit] ?? 1));
}

function startOfWeekDays(days: number, startOfWeek: number): number {
  return days - ((weekdayOfDays(days) - startOfWeek + 7) % 7);
}

const REFERENCE_DAYS = daysFromCivil(2000, 1, 1);

/** `$dateTrunc`: the start of the bin the date lies in; bins are counted from 2000-01-01 in local time. */
export function truncate(ms: number, unit: Unit, binSize: number, zone: Zone, startOfWeek: number): number {
  if (!(Number.isInteger(binSize) && binSize > 0)) {
    throw badValue(`$dateTrunc requires "binSize" to be greater than 0, but got value ${binSize}`);
  }
  const local = toLocal(ms, zone);
  const duration = MILLISECONDS[unit];
  if (duration !== undefined) {
    const origin = toUtc(REFERENCE_DAYS * MS_PER_DAY, zone);
    const bin = duration * binSize;
    if (unit === 'hour' || binSize > 1) return origin + Math.floor((ms - origin) / bin) * bin;
    return Math.floor(local / bin) * bin - (local - ms);
  }
  const { days } = splitMs(local);
  if (unit === 'day') return toUtc((REFERENCE_DAYS + floorTo(days - REFERENCE_DAYS, binSize)) * MS_PER_DAY, zone);
  if (unit === 'week') {
    // The first start of a week on or after the reference date.
    const origin = REFERENCE_DAYS + ((startOfWeek - weekdayOfDays(REFERENCE_DAYS) + 7) % 7);
    return toUtc((origin + floorTo(days - origin, 7 * binSize)) * MS_PER_DAY, zone);
  }
  const { year, month } = civilFromDays(days);
  const months = floorTo((year - 2000) * 12 + month - 1, binSize * (MONTHS[unit] ?? 1));
  const newYear = 2000 + Math.floor(months / 12);
  return toUtc(daysFromCivil(newYear, months - (newYear - 2000) * 12 + 1, 1) * MS_PER_DAY, zone);
}

function floorTo(value: number, step: number): number {
  return Math.floor(value / step) * step;
}
