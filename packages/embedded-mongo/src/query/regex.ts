import type { Regex } from '../bson/values.ts';
import { badValue, MongoError } from '../errors.ts';

const compiled = new Map<string, RegExp>();
const CACHE_LIMIT = 500;

/**
 * Translates PCRE, MongoDB's dialect, to a JavaScript expression (manual: reference/operator/query/regex). What has no
 * counterpart is refused by the JavaScript compiler, with MongoDB's code for a bad expression.
 */
export function toRegExp(pattern: string, options: string): RegExp {
  const key = `${options}/${pattern}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const expression = translate(pattern, options);
  if (compiled.size >= CACHE_LIMIT) compiled.clear();
  compiled.set(key, expression);
  return expression;
}

function translate(pattern: string, options: string): RegExp {
  for (const option of options) {
    if (!'imsxul'.includes(option)) throw new MongoError(51108, `invalid flag in regex options: ${option}`);
  }
  if (pattern.includes('\0')) throw badValue('Regular expression cannot contain an embedded null byte');
  let flags = options;
  let body = pattern;
  const inline = /^\(\?([imsx]+)\)/.exec(body);
  if (inline !== null) {
    flags += inline[1];
    body = body.slice(inline[0].length);
  }
  if (flags.includes('x')) body = stripExtended(body);
  body = body
    .replaceAll('(?P<', '(?<')
    .replace(/^\\A/, '^')
    .replace(/\\[zZ]$/, '$');
  const jsFlags = ['i', 'm', 's'].filter((flag) => flags.includes(flag)).join('');
  for (const unicode of ['u', '']) {
    try {
      return new RegExp(body, jsFlags + unicode);
    } catch {
      // The stricter Unicode mode refuses escapes that PCRE allows; the second try does not.
    }
  }
  throw new MongoError(51091, `Regular expression is invalid: ${pattern}`);
}

/** The `x` option: white space and comments outside of classes mean nothing. */
function stripExtended(pattern: string): string {
  let stripped = '';
  let inClass = false;
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] as string;
    if (char === '\\') {
      stripped += char + (pattern[++i] ?? '');
      continue;
    }
    if (char === '[') inClass = true;
    if (char === ']') inClass = false;
    if (!inClass && /\s/.test(char)) continue;
    if (!inClass && char === '#') {
      while (i < pattern.length && pattern[i] !== '\n') i++;
      continue;
    }
    stripped += char;
  }
  return stripped;
}

/** The literal beginning that every match must have, or `undefined`: what an index can be asked for. */
export function literalPrefix(regex: Regex): string | undefined {
  if (regex.options !== '' || !regex.pattern.startsWith('^')) return undefined;
  let prefix = '';
  const { pattern } = regex;
  if (pattern.includes('|')) return undefined;
  for (let i = 1; i < pattern.length; i++) {
    const char = pattern[i] as string;
    if (char === '\\') {
      const next = pattern[i + 1];
      if (next === undefined || /[a-zA-Z0-9]/.test(next)) break;
      prefix += next;
      i += 1;
      continue;
    }
    if ('*?{'.includes(char)) return prefix.slice(0, -1) || undefined;
    if ('.+[]()^$'.includes(char)) break;
    prefix += char;
  }
  return prefix === '' ? undefined : prefix;
}
