import { MongoError } from '../errors.ts';

/** A time zone: how far local time is ahead of UTC at an instant, in milliseconds. */
export interface Zone {
  offsetAt(utcMs: number): number;
}

export const UTC: Zone = { offsetAt: () => 0 };

const zones = new Map<string, Zone>([
  ['UTC', UTC],
  ['GMT', UTC],
  ['Z', UTC],
]);

/** An Olson name or an offset such as `+05:30` (manual: reference/operator/aggregation/dateToString, "timezone"). */
export function zoneOf(name: string): Zone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = fixedZone(name) ?? olsonZone(name);
  zones.set(name, zone);
  return zone;
}

function fixedZone(name: string): Zone | undefined {
  const match = /^([+-])(\d{2}):?(\d{2})?$/.exec(name);
  if (match === null) return undefined;
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
  const offset = (match[1] === '-' ? -minutes : minutes) * 60_000;
  return { offsetAt: () => offset };
}

/** Every change of offset in the time zone database falls on a multiple of this. */
const QUARTER_HOUR = 900_000;
const CACHE_LIMIT = 50_000;

/** Asking `Intl` is slow; an offset holds at least for the quarter of an hour it was asked for. */
function olsonZone(name: string): Zone {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
      era: 'short',
    });
  } catch {
    throw new MongoError(40485, `unrecognized time zone identifier: "${name}"`);
  }
  const cache = new Map<number, number>();
  return {
    offsetAt(utcMs) {
      const quarter = Math.floor(utcMs / QUARTER_HOUR);
      let offset = cache.get(quarter);
      if (offset === undefined) {
        offset = offsetFrom(format, quarter * QUARTER_HOUR);
        if (cache.size >= CACHE_LIMIT) cache.clear();
        cache.set(quarter, offset);
      }
      return offset;
    },
  };
}

function offsetFrom(format: Intl.DateTimeFormat, utcMs: number): number {
  const fields: Record<string, string> = {};
  for (const { type, value } of format.formatToParts(utcMs)) fields[type] = value;
  const year = fields.era === 'BC' ? 1 - Number(fields.year) : Number(fields.year);
  const local = new Date(0);
  local.setUTCFullYear(year, Number(fields.month) - 1, Number(fields.day));
  local.setUTCHours(Number(fields.hour), Number(fields.minute), Number(fields.second));
  return local.getTime() - utcMs;
}

export function toLocal(utcMs: number, zone: Zone): number {
  return utcMs + zone.offsetAt(utcMs);
}

/**
 * The instant at which clocks show a local time. A time that clocks skip is taken with the offset before the change,
 * which moves it past the gap; of a time shown twice the first is meant.
 */
export function toUtc(localMs: number, zone: Zone): number {
  const early = zone.offsetAt(localMs - 86_400_000);
  const late = zone.offsetAt(localMs + 86_400_000);
  for (const offset of [early, late]) {
    const candidate = localMs - offset;
    if (zone.offsetAt(candidate) === offset) return candidate;
  }
  return localMs - early;
}
