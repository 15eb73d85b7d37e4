import { compareStrings } from '../bson/compare.ts';
import { BsonSymbol, DateTime, Doc, isNumeric, Regex, toDouble, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { toRegExp } from '../query/regex.ts';
import { typeName } from '../query/types.ts';
import { isNullish, named, positional } from './arguments.ts';
import { asText } from './conversion.ts';
import type { Evaluate, OperatorBuilder } from './scope.ts';

const concat: OperatorBuilder = (operand, scope, compile) => {
  const evaluates = positional('$concat', operand, scope, compile, 0, Number.MAX_SAFE_INTEGER);
  return (env) => {
    let text = '';
    for (const evaluate of evaluates) {
      const value = evaluate(env);
      if (isNullish(value)) return null;
      if (typeof value !== 'string')
        throw new MongoError(16702, `$concat only supports strings, not ${typeName(value)}`);
      text += value;
    }
    return text;
  };
};

/** `$toUpper` and its like also take numbers and dates; null becomes the empty string. */
function casing(apply: (text: string) => string): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const [evaluate] = positional(name, operand, scope, compile, 1) as [Evaluate];
    return (env) => apply(coerce(evaluate(env), 16007, name));
  };
}

function coerce(value: Value | undefined, code: number, name: string): string {
  if (isNullish(value)) return '';
  if (typeof value === 'string') return value;
  if (value instanceof BsonSymbol) return value.value;
  if (isNumeric(value) || value instanceof DateTime) return asText(value);
  throw new MongoError(code, `can't convert from BSON type ${typeName(value)} to String in ${name}`);
}

const asciiLower = (text: string): string => text.replace(/[A-Z]+/g, (run) => run.toLowerCase());
const asciiUpper = (text: string): string => text.replace(/[a-z]+/g, (run) => run.toUpperCase());

function lengthOf(measure: (text: string) => number, code: number): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const [evaluate] = positional(name, operand, scope, compile, 1) as [Evaluate];
    return (env) => {
      const value = evaluate(env);
      if (typeof value !== 'string')
        throw new MongoError(code, `${name} requires a string argument, found: ${typeName(value)}`);
      return measure(value);
    };
  };
}

const substrCP: OperatorBuilder = (operand, scope, compile, name) => {
  const [text, start, length] = positional(name, operand, scope, compile, 3) as [Evaluate, Evaluate, Evaluate];
  return (env) => {
    const points = [...coerce(text(env), 16034, name)];
    const from = wholeArgument(start(env), 34450, name);
    const count = wholeArgument(length(env), 34452, name);
    if (from < 0) throw new MongoError(34455, `${name}: the starting index must be a nonnegative integer.`);
    if (count < 0) throw new MongoError(34454, `${name}: length must be a nonnegative integer.`);
    return points.slice(from, from + count).join('');
  };
};

const substrBytes: OperatorBuilder = (operand, scope, compile, name) => {
  const [text, start, length] = positional(name, operand, scope, compile, 3) as [Evaluate, Evaluate, Evaluate];
  return (env) => {
    const bytes = Buffer.from(coerce(text(env), 16034, name));
    const from = wholeArgument(start(env), 16034, name);
    const count = wholeArgument(length(env), 16035, name);
    if (from < 0) throw new MongoError(50752, `${name}: starting index must be non-negative (got: ${from})`);
    const to = count < 0 ? bytes.length : Math.min(from + count, bytes.length);
    const continues = (at: number): boolean => at < bytes.length && ((bytes[at] as number) & 0xc0) === 0x80;
    if (continues(from))
      throw new MongoError(28656, `${name}:  Invalid range, starting index is a UTF-8 continuation byte.`);
    if (continues(to))
      throw new MongoError(28657, `${name}:  Invalid range, ending index is in the middle of a UTF-8 character.`);
    return from >= bytes.length ? '' : bytes.toString('utf8', from, to);
  };
};

function wholeArgument(value: Value | undefined, code: number, name: string): number {
  if (!isNumeric(value)) throw new MongoError(code, `${name} requires a numeric index, found: ${typeName(value)}`);
  return Math.trunc(toDouble(value));
}

const split: OperatorBuilder = (operand, scope, compile) => {
  const [text, separator] = positional('$split', operand, scope, compile, 2) as [Evaluate, Evaluate];
  return (env) => {
    const value = text(env);
    const by = separator(env);
    if (isNullish(value) || isNullish(by)) return null;
    if (typeof value !== 'string')
      throw new MongoError(
        40085,
        `$split requires an expression that evaluates to a string as a first argument, found: ${typeName(value)}`,
      );
    if (typeof by !== 'string')
      throw new MongoError(
        40086,
        `$split requires an expression that evaluates to a string as a second argument, found: ${typeName(by)}`,
      );
    if (by === '') throw new MongoError(40087, '$split requires a non-empty separator');
    return value.split(by);
  };
};

const WHITESPACE = '\0 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a';

function trimming(left: boolean, right: boolean): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const parts = named(name, operand, scope, compile, ['input'], ['chars']);
    return (env) => {
      const value = parts.input?.(env);
      const chars = parts.chars === undefined ? WHITESPACE : parts.chars(env);
      if (isNullish(value) || isNullish(chars)) return null;
      if (typeof value !== 'string')
        throw new MongoError(50699, `${name} requires its input to be a string, got ${typeName(value)} instead.`);
      if (typeof chars !== 'string')
        throw new MongoError(50700, `${name} requires 'chars' to be a string, got ${typeName(chars)} instead.`);
      const drop = new Set(chars);
      const points = [...value];
      let from = 0;
      let to = points.length;
      while (left && from < to && drop.has(points[from] as string)) from++;
      while (right && to > from && drop.has(points[to - 1] as string)) to--;
      return points.slice(from, to).join('');
    };
  };
}

function replace(all: boolean): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const parts = named(name, operand, scope, compile, ['input', 'find', 'replacement']);
    return (env) => {
      const [input, find, replacement] = [parts.input?.(env), parts.find?.(env), parts.replacement?.(env)];
      if (isNullish(input) || isNullish(find) || isNullish(replacement)) return null;
      if (typeof input !== 'string' || typeof find !== 'string' || typeof replacement !== 'string') {
        throw new MongoError(51746, `${name} requires that 'input', 'find' and 'replacement' be strings`);
      }
      return all ? input.replaceAll(find, () => replacement) : input.replace(find, () => replacement);
    };
  };
}

function regexParts(
  name: string,
  operand: Value,
  scope: Parameters<OperatorBuilder>[1],
  compile: Parameters<OperatorBuilder>[2],
) {
  const parts = named(name, operand, scope, compile, ['input', 'regex'], ['options']);
  return (env: Parameters<Evaluate>[0]): { input: string; regex: RegExp } | undefined => {
    const input = parts.input?.(env);
    const regex = parts.regex?.(env);
    const options = parts.options?.(env);
    if (isNullish(input) || isNullish(regex)) return undefined;
    if (typeof input !== 'string') throw new MongoError(51104, `${name} needs 'input' to be of type string`);
    const flags = typeof options === 'string' ? options : regex instanceof Regex ? regex.options : '';
    const pattern = regex instanceof Regex ? regex.pattern : regex;
    if (typeof pattern !== 'string') throw new MongoError(51105, `${name} needs 'regex' to be of type string or regex`);
    return { input, regex: toRegExp(pattern, flags) };
  };
}

function found(input: string, match: RegExpExecArray): Doc {
  return Doc.of({
    match: match[0],
    idx: [...input.slice(0, match.index)].length,
    captures: match.slice(1).map((capture) => capture ?? null),
  });
}

const indexOfCP: OperatorBuilder = (operand, scope, compile, name) => {
  const bytes = name === '$indexOfBytes';
  const evaluates = positional(name, operand, scope, compile, 2, 4);
  return (env) => {
    const [text, needle, start, end] = evaluates.map((evaluate) => evaluate(env));
    if (isNullish(text)) return null;
    if (typeof text !== 'string')
      throw new MongoError(40091, `${name} requires a string as the first argument, found: ${typeName(text)}`);
    if (typeof needle !== 'string')
      throw new MongoError(40092, `${name} requires a string as the second argument, found: ${typeName(needle)}`);
    const units: ArrayLike<string | number> = bytes ? Buffer.from(text) : [...text];
    const wanted: ArrayLike<string | number> = bytes ? Buffer.from(needle) : [...needle];
    const from = start === undefined ? 0 : wholeArgument(start, 40096, name);
    const to = Math.min(end === undefined ? units.length : wholeArgument(end, 40096, name), units.length);
    for (let i = from; i + wanted.length <= to; i++) {
      let k = 0;
      while (k < wanted.length && units[i + k] === wanted[k]) k++;
      if (k === wanted.length) return i;
    }
    return -1;
  };
};

/** Manual: reference/operator/aggregation, "String Expression Operators". */
export const stringOperators: Record<string, OperatorBuilder> = {
  $concat: concat,
  $toLower: casing(asciiLower),
  $toUpper: casing(asciiUpper),
  $strLenCP: lengthOf((text) => [...text].length, 34471),
  $strLenBytes: lengthOf((text) => Buffer.byteLength(text), 34473),
  $substrCP: substrCP,
  $substrBytes: substrBytes,
  $substr: substrBytes,
  $split: split,
  $trim: trimming(true, true),
  $ltrim: trimming(true, false),
  $rtrim: trimming(false, true),
  $replaceOne: replace(false),
  $replaceAll: replace(true),
  $indexOfCP: indexOfCP,
  $indexOfBytes: indexOfCP,
  $strcasecmp: (operand, scope, compile) => {
    const [left, right] = positional('$strcasecmp', operand, scope, compile, 2) as [Evaluate, Evaluate];
    return (env) =>
      Math.sign(
        compareStrings(
          asciiUpper(coerce(left(env), 16007, '$strcasecmp')),
          asciiUpper(coerce(right(env), 16007, '$strcasecmp')),
        ),
      );
  },
  $regexMatch: (operand, scope, compile) => {
    const parts = regexParts('$regexMatch', operand, scope, compile);
    return (env) => {
      const given = parts(env);
      return given?.regex.test(given.input) === true;
    };
  },
  $regexFind: (operand, scope, compile) => {
    const parts = regexParts('$regexFind', operand, scope, compile);
    return (env) => {
      const given = parts(env);
      const match = given?.regex.exec(given.input);
      return given === undefined || match === null || match === undefined ? null : found(given.input, match);
    };
  },
  $regexFindAll: (operand, scope, compile) => {
    const parts = regexParts('$regexFindAll', operand, scope, compile);
    return (env) => {
      const given = parts(env);
      if (given === undefined) return [];
      const everywhere = new RegExp(given.regex.source, `${given.regex.flags}g`);
      return [...given.input.matchAll(everywhere)].map((match) => found(given.input, match));
    };
  },
};
