import { ErrorCode, MongoError } from '../errors.ts';
import { civilFromDays, dayOfYear, daysFromCivil, isoWeek, MS_PER_DAY, splitMs, weekdayOfDays } from './calendar.ts';
import { toLocal, toUtc, UTC, type Zone, zoneOf } from './timezone.ts';

const MONTH_NAMES = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

const pad = (value: number, width: number): string =>
  value < 0 ? `-${String(-value).padStart(width, '0')}` : String(value).padStart(width, '0');

/** `$dateToString` (manual: reference/operator/aggregation/dateToString, "Format Specifiers"). */
export function formatDate(ms: number, format: string, zone: Zone): string {
  const offset = zone.offsetAt(ms) / 60_000;
  const { days, rest } = splitMs(toLocal(ms, zone));
  const { year, month, day } = civilFromDays(days);
  let text = '';
  for (let i = 0; i < format.length; i++) {
    if (format[i] !== '%') {
      text += format[i];
      continue;
    }
    i += 1;
    switch (format[i]) {
      case 'd':
        text += pad(day, 2);
        break;
      case 'G':
        text += pad(isoWeek(days).year, 4);
        break;
      case 'H':
        text += pad(Math.floor(rest / 3_600_000), 2);
        break;
      case 'j':
        text += pad(dayOfYear(days), 3);
        break;
      case 'L':
        text += pad(rest % 1000, 3);
        break;
      case 'm':
        text += pad(month, 2);
        break;
      case 'b':
        text += (MONTH_NAMES[month - 1] as string).slice(0, 3);
        break;
      case 'B':
        text += MONTH_NAMES[month - 1];
        break;
      case 'M':
        text += pad(Math.floor(rest / 60_000) % 60, 2);
        break;
      case 'S':
        text += pad(Math.floor(rest / 1000) % 60, 2);
        break;
      case 'u':
        text += String(weekdayOfDays(days) || 7);
        break;
      case 'w':
        text += String(weekdayOfDays(days) + 1);
        break;
      case 'U':
        text += pad(Math.floor((dayOfYear(days) + 6 - weekdayOfDays(days)) / 7), 2);
        break;
      case 'V':
        text += pad(isoWeek(days).week, 2);
        break;
      case 'Y':
        if (year < 0 || year > 9999) {
          throw new MongoError(18537, `$dateToString is only defined on year 0-9999, tried to use year ${year}`);
        }
        text += pad(year, 4);
        break;
      case 'z':
        text += `${offset < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(offset) / 60), 2)}${pad(Math.abs(offset) % 60, 2)}`;
        break;
      case 'Z':
        text += String(offset);
        break;
      case '%':
        text += '%';
        break;
      default:
        throw new MongoError(18536, `Invalid format character '%${format[i] ?? ''}' in format string`);
    }
  }
  return text;
}

function parseFailure(text: string, why: string): MongoError {
  return new MongoError(ErrorCode.ConversionFailure, `Error parsing date string '${text}'; ${why}`);
}

const ISO =
  /^(\d{4})-?(\d{2})-?(\d{2})(?:[T ](\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,9}))?)?)?)?\s*(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?$/;

/** An ISO 8601 date, the form in which `$toDate` and `$dateFromString` without a format take dates. */
export function parseIsoDate(text: string, zone: Zone = UTC, hasZone = false): number {
  const match = ISO.exec(text.trim());
  if (match === null) {
    const other = Date.parse(/(?:GMT|UTC|Z|[+-]\d{4})\)?$/.test(text) ? text : `${text} UTC`);
    if (Number.isNaN(other))
      throw parseFailure(
        text,
        `0: passing a time zone identifier as part of the string is not allowed '${text[0] ?? ''}'`,
      );
    return toUtc(other, zone);
  }
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset] = match;
  const date = { year: Number(year), month: Number(month), day: Number(day) };
  const days = daysFromCivil(date.year, date.month, date.day);
  const back = civilFromDays(days);
  if (
    back.month !== date.month ||
    back.day !== date.day ||
    Number(hour) > 24 ||
    Number(minute) > 59 ||
    Number(second) > 59
  ) {
    throw parseFailure(text, '0: Unexpected character');
  }
  const ms = Number(fraction.padEnd(3, '0').slice(0, 3) || 0);
  const local = days * MS_PER_DAY + Number(hour) * 3_600_000 + Number(minute) * 60_000 + Number(second) * 1000 + ms;
  if (offset === undefined) return toUtc(local, zone);
  if (hasZone)
    throw new MongoError(
      ErrorCode.ConversionFailure,
      `you cannot pass in a date/time string with time zone information ('${offset}') together with a timezone argument`,
    );
  return toUtc(local, zoneOf(offset));
}

const SPECIFIERS: Record<string, { pattern: string; field: string }> = {
  d: { pattern: '(\\d{1,2})', field: 'day' },
  H: { pattern: '(\\d{1,2})', field: 'hour' },
  j: { pattern: '(\\d{1,3})', field: 'dayOfYear' },
  L: { pattern: '(\\d{1,3})', field: 'millisecond' },
  m: { pattern: '(\\d{1,2})', field: 'month' },
  b: { pattern: '([A-Za-z]{3})', field: 'monthName' },
  B: { pattern: '([A-Za-z]+)', field: 'monthName' },
  M: { pattern: '(\\d{1,2})', field: 'minute' },
  S: { pattern: '(\\d{1,2})', field: 'second' },
  G: { pattern: '(\\d{4})', field: 'isoYear' },
  V: { pattern: '(\\d{1,2})', field: 'isoWeek' },
  u: { pattern: '([1-7])', field: 'isoWeekday' },
  Y: { pattern: '(\\d{4})', field: 'year' },
  z: { pattern: '(Z|[+-]\\d{2}:?\\d{2})', field: 'offset' },
  Z: { pattern: '([+-]?\\d{1,4})', field: 'offsetMinutes' },
};

/** `$dateFromString` with a format. */
export function parseWithFormat(text: string, format: string, zone: Zone): number {
  const fields: string[] = [];
  const pattern = format.replace(/%(.)|[.*+?^${}()|[\]\\]/g, (whole, specifier: string | undefined) => {
    if (specifier === undefined) return `\\${whole}`;
    if (specifier === '%') return '%';
    const known = SPECIFIERS[specifier];
    if (known === undefined) throw new MongoError(18536, `Invalid format character '%${specifier}' in format string`);
    fields.push(known.field);
    return known.pattern;
  });
  const match = new RegExp(`^${pattern}$`).exec(text);
  if (match === null) throw parseFailure(text, `0: Format literal not found or data does not match '${format}'`);
  const values: Record<string, string> = {};
  fields.forEach((field, i) => {
    values[field] = match[i + 1] as string;
  });
  const number = (field: string, otherwise: number): number =>
    values[field] === undefined ? otherwise : Number(values[field]);
  const named = MONTH_NAMES.findIndex(
    (name) => name.slice(0, 3).toLowerCase() === values.monthName?.slice(0, 3).toLowerCase(),
  );
  let days: number;
  if (values.isoYear !== undefined) {
    const fourth = daysFromCivil(number('isoYear', 1970), 1, 4);
    days = fourth - ((weekdayOfDays(fourth) + 6) % 7) + (number('isoWeek', 1) - 1) * 7 + number('isoWeekday', 1) - 1;
  } else if (values.dayOfYear !== undefined) {
    days = daysFromCivil(number('year', 1970), 1, 1) + number('dayOfYear', 1) - 1;
  } else {
    days = daysFromCivil(number('year', 1970), named >= 0 ? named + 1 : number('month', 1), number('day', 1));
  }
  const local =
    days * MS_PER_DAY +
    number('hour', 0) * 3_600_000 +
    number('minute', 0) * 60_000 +
    number('second', 0) * 1000 +
    number('millisecond', 0);
  if (values.offset !== undefined) return toUtc(local, zoneOf(values.offset));
  if (values.offsetMinutes !== undefined) return local - number('offsetMinutes', 0) * 60_000;
  return toUtc(local, zone);
}
