import { DateTime, Doc, isNumeric, ObjectId, Timestamp, toDouble, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { isNullish, named } from './arguments.ts';
import { civilFromDays, dayOfYear, daysFromCivil, isoWeek, MS_PER_DAY, splitMs, weekdayOfDays } from './calendar.ts';
import { isTrue } from './compile.ts';
import { formatDate, parseIsoDate, parseWithFormat } from './date-format.ts';
import { addUnits, truncate, unitOf, unitsBetween, weekdayOf } from './date-units.ts';
import type { Compile, Environment, Evaluate, OperatorBuilder, Scope } from './scope.ts';
import { toLocal, toUtc, UTC, type Zone, zoneOf } from './timezone.ts';

function dateArgument(value: Value | undefined, operator: string): number {
  if (value instanceof DateTime) return value.ms;
  if (value instanceof Timestamp || value instanceof ObjectId) return value.seconds * 1000;
  throw new MongoError(16006, `can't convert from BSON type ${typeName(value)} to Date in ${operator}`);
}

/** The zone an expression names: UTC without one, `undefined` when it evaluates to null. */
function zoneArgument(evaluate: Evaluate | undefined, env: Environment): Zone | undefined {
  if (evaluate === undefined) return UTC;
  const value = evaluate(env);
  if (isNullish(value)) return undefined;
  if (typeof value !== 'string')
    throw new MongoError(40517, `timezone must evaluate to a string, found ${typeName(value)}`);
  return zoneOf(value);
}

/** `$year` and its like take a date, or a document with a date and a time zone. */
function dateAndZone(name: string, operand: Value, scope: Scope, compile: Compile): [Evaluate, Evaluate | undefined] {
  const only = Array.isArray(operand) && operand.length === 1 ? (operand[0] as Value) : operand;
  if (Array.isArray(only))
    throw new MongoError(40536, `${name} accepts exactly one argument if given an array, but was given ${only.length}`);
  if (only instanceof Doc && only.keys[0]?.startsWith('$') !== true) {
    const parts = named(name, only, scope, compile, ['date'], ['timezone']);
    return [parts.date as Evaluate, parts.timezone];
  }
  return [compile(only, scope), undefined];
}

function part(extract: (days: number, rest: number) => Value): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const [date, timezone] = dateAndZone(name, operand, scope, compile);
    return (env) => {
      const value = date(env);
      const zone = zoneArgument(timezone, env);
      if (isNullish(value) || zone === undefined) return null;
      const { days, rest } = splitMs(toLocal(dateArgument(value, name), zone));
      return extract(days, rest);
    };
  };
}

function text(value: Value | undefined, operator: string, parameter: string): string {
  if (typeof value === 'string') return value;
  throw new MongoError(5439013, `${operator} requires '${parameter}' to be a string, but got ${typeName(value)}`);
}

function shift(direction: number): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const parts = named(name, operand, scope, compile, ['startDate', 'unit', 'amount'], ['timezone']);
    const { startDate, unit, amount, timezone } = parts as {
      startDate: Evaluate;
      unit: Evaluate;
      amount: Evaluate;
      timezone?: Evaluate;
    };
    return (env) => {
      const start = startDate(env);
      const by = unit(env);
      const count = amount(env);
      const zone = zoneArgument(timezone, env);
      if (isNullish(start) || isNullish(by) || isNullish(count) || zone === undefined) return null;
      const ms = startArgument(start, name, 'startDate');
      if (!isNumeric(count) || !Number.isInteger(toDouble(count))) {
        throw new MongoError(5166405, `${name} expects integer amount of time units`);
      }
      return new DateTime(addUnits(ms, unitOf(text(by, name, 'unit'), name), direction * toDouble(count), zone));
    };
  };
}

function startArgument(value: Value, operator: string, parameter: string): number {
  if (value instanceof DateTime) return value.ms;
  if (value instanceof Timestamp || value instanceof ObjectId) return value.seconds * 1000;
  throw new MongoError(5166403, `${operator} requires ${parameter} to be convertible to a date`);
}

const dateDiff: OperatorBuilder = (operand, scope, compile) => {
  const parts = named(
    '$dateDiff',
    operand,
    scope,
    compile,
    ['startDate', 'endDate', 'unit'],
    ['timezone', 'startOfWeek'],
  );
  const { startDate, endDate, unit } = parts as { startDate: Evaluate; endDate: Evaluate; unit: Evaluate };
  return (env) => {
    const start = startDate(env);
    const end = endDate(env);
    const by = unit(env);
    const zone = zoneArgument(parts.timezone, env);
    const week = parts.startOfWeek?.(env);
    if (isNullish(start) || isNullish(end) || isNullish(by) || zone === undefined) return null;
    const name = unitOf(text(by, '$dateDiff', 'unit'), '$dateDiff');
    if (name === 'week' && parts.startOfWeek !== undefined && isNullish(week)) return null;
    const first =
      name !== 'week' || week === undefined ? 0 : weekdayOf(text(week, '$dateDiff', 'startOfWeek'), '$dateDiff');
    const count = unitsBetween(
      startArgument(start, '$dateDiff', "'startDate'"),
      startArgument(end, '$dateDiff', "'endDate'"),
      name,
      zone,
      first,
    );
    return BigInt(count);
  };
};

const dateTrunc: OperatorBuilder = (operand, scope, compile) => {
  const parts = named('$dateTrunc', operand, scope, compile, ['date', 'unit'], ['binSize', 'timezone', 'startOfWeek']);
  const { date, unit } = parts as { date: Evaluate; unit: Evaluate };
  return (env) => {
    const value = date(env);
    const by = unit(env);
    const size = parts.binSize === undefined ? 1 : parts.binSize(env);
    const zone = zoneArgument(parts.timezone, env);
    const week = parts.startOfWeek?.(env);
    if (isNullish(value) || isNullish(by) || isNullish(size) || zone === undefined) return null;
    if (!isNumeric(size))
      throw new MongoError(
        5439017,
        `$dateTrunc requires 'binSize' to be a 64-bit integer, but got value of type ${typeName(size)}`,
      );
    const name = unitOf(text(by, '$dateTrunc', 'unit'), '$dateTrunc');
    if (name === 'week' && parts.startOfWeek !== undefined && isNullish(week)) return null;
    const first =
      name !== 'week' || week === undefined ? 0 : weekdayOf(text(week, '$dateTrunc', 'startOfWeek'), '$dateTrunc');
    return new DateTime(truncate(startArgument(value, '$dateTrunc', "'date'"), name, toDouble(size), zone, first));
  };
};

const dateToString: OperatorBuilder = (operand, scope, compile) => {
  const parts = named('$dateToString', operand, scope, compile, ['date'], ['format', 'timezone', 'onNull']);
  return (env) => {
    const value = parts.date?.(env);
    if (isNullish(value)) return parts.onNull === undefined ? null : parts.onNull(env);
    const zone = zoneArgument(parts.timezone, env);
    const format = parts.format?.(env);
    if (zone === undefined || (parts.format !== undefined && isNullish(format))) return null;
    const usual = zone === UTC ? '%Y-%m-%dT%H:%M:%S.%LZ' : '%Y-%m-%dT%H:%M:%S.%L';
    const pattern = parts.format === undefined ? usual : format;
    if (typeof pattern !== 'string')
      throw new MongoError(18533, `$dateToString requires that 'format' be a string, found: ${typeName(pattern)}`);
    return formatDate(dateArgument(value, '$dateToString'), pattern, zone);
  };
};

const dateFromString: OperatorBuilder = (operand, scope, compile) => {
  const parts = named(
    '$dateFromString',
    operand,
    scope,
    compile,
    ['dateString'],
    ['format', 'timezone', 'onError', 'onNull'],
  );
  return (env) => {
    const value = parts.dateString?.(env);
    const zone = zoneArgument(parts.timezone, env);
    if (isNullish(value)) return parts.onNull === undefined ? null : parts.onNull(env);
    if (zone === undefined) return null;
    const format = parts.format?.(env);
    if (parts.format !== undefined && isNullish(format)) return null;
    try {
      if (typeof value !== 'string')
        throw new MongoError(241, `$dateFromString requires that 'dateString' be a string, found: ${typeName(value)}`);
      return new DateTime(
        typeof format === 'string'
          ? parseWithFormat(value, format, zone)
          : parseIsoDate(value, zone, parts.timezone !== undefined),
      );
    } catch (error) {
      if (parts.onError !== undefined && error instanceof MongoError && error.code === 241) return parts.onError(env);
      throw error;
    }
  };
};

const dateToParts: OperatorBuilder = (operand, scope, compile) => {
  const parts = named('$dateToParts', operand, scope, compile, ['date'], ['timezone', 'iso8601']);
  return (env) => {
    const value = parts.date?.(env);
    const zone = zoneArgument(parts.timezone, env);
    if (isNullish(value) || zone === undefined) return null;
    const { days, rest } = splitMs(toLocal(dateArgument(value, '$dateToParts'), zone));
    const { year, month, day } = civilFromDays(days);
    const iso = isoWeek(days);
    const date = isTrue(parts.iso8601?.(env))
      ? { isoWeekYear: iso.year, isoWeek: iso.week, isoDayOfWeek: weekdayOfDays(days) || 7 }
      : { year, month, day };
    return Doc.of({
      ...date,
      hour: Math.floor(rest / 3_600_000),
      minute: Math.floor(rest / 60_000) % 60,
      second: Math.floor(rest / 1000) % 60,
      millisecond: rest % 1000,
    });
  };
};

const PART_NAMES = [
  'year',
  'month',
  'day',
  'hour',
  'minute',
  'second',
  'millisecond',
  'isoWeekYear',
  'isoWeek',
  'isoDayOfWeek',
] as const;

const dateFromParts: OperatorBuilder = (operand, scope, compile) => {
  const parts = named('$dateFromParts', operand, scope, compile, [], [...PART_NAMES, 'timezone']);
  if (parts.year === undefined && parts.isoWeekYear === undefined) {
    throw new MongoError(40516, "$dateFromParts requires either 'year' or 'isoWeekYear' to be present");
  }
  return (env) => {
    const zone = zoneArgument(parts.timezone, env);
    const values: Partial<Record<(typeof PART_NAMES)[number], number>> = {};
    for (const name of PART_NAMES) {
      const evaluate = parts[name];
      if (evaluate === undefined) continue;
      const value = evaluate(env);
      if (isNullish(value)) return null;
      if (!isNumeric(value) || !Number.isInteger(toDouble(value))) {
        throw new MongoError(40515, `'${name}' must evaluate to an integer, found ${typeName(value)}`);
      }
      values[name] = toDouble(value);
    }
    if (zone === undefined) return null;
    // Parts out of range carry over into the next larger one.
    let days: number;
    if (values.isoWeekYear !== undefined) {
      const fourth = daysFromCivil(values.isoWeekYear, 1, 4);
      days =
        fourth - ((weekdayOfDays(fourth) + 6) % 7) + ((values.isoWeek ?? 1) - 1) * 7 + (values.isoDayOfWeek ?? 1) - 1;
    } else {
      const months = (values.year ?? 1970) * 12 + (values.month ?? 1) - 1;
      days =
        daysFromCivil(Math.floor(months / 12), months - Math.floor(months / 12) * 12 + 1, 1) + (values.day ?? 1) - 1;
    }
    const { hour = 0, minute = 0, second = 0, millisecond = 0 } = values;
    return new DateTime(
      toUtc(days * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1000 + millisecond, zone),
    );
  };
};

/** Manual: reference/operator/aggregation, "Date Expression Operators". */
export const dateOperators: Record<string, OperatorBuilder> = {
  $dateAdd: shift(1),
  $dateSubtract: shift(-1),
  $dateDiff: dateDiff,
  $dateTrunc: dateTrunc,
  $dateToString: dateToString,
  $dateFromString: dateFromString,
  $dateToParts: dateToParts,
  $dateFromParts: dateFromParts,
  $year: part((days) => civilFromDays(days).year),
  $month: part((days) => civilFromDays(days).month),
  $dayOfMonth: part((days) => civilFromDays(days).day),
  $dayOfYear: part(dayOfYear),
  $dayOfWeek: part((days) => weekdayOfDays(days) + 1),
  $isoDayOfWeek: part((days) => weekdayOfDays(days) || 7),
  $isoWeek: part((days) => isoWeek(days).week),
  $isoWeekYear: part((days) => BigInt(isoWeek(days).year)),
  $week: part((days) => Math.floor((dayOfYear(days) + 6 - weekdayOfDays(days)) / 7)),
  $hour: part((_days, rest) => Math.floor(rest / 3_600_000)),
  $minute: part((_days, rest) => Math.floor(rest / 60_000) % 60),
  $second: part((_days, rest) => Math.floor(rest / 1000) % 60),
  $millisecond: part((_days, rest) => rest % 1000),
  $tsSecond: (operand, scope, compile) => {
    const evaluate = compile(operand, scope);
    return (env) => {
      const value = evaluate(env);
      return value instanceof Timestamp ? BigInt(value.seconds) : null;
    };
  },
  $tsIncrement: (operand, scope, compile) => {
    const evaluate = compile(operand, scope);
    return (env) => {
      const value = evaluate(env);
      return value instanceof Timestamp ? BigInt(value.increment) : null;
    };
  },
};
