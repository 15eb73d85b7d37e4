import { compare, compareStrings, type StringOrder } from '../bson/compare.ts';
import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import { encodeValue } from '../indexes/key.ts';
import { typeName } from '../query/types.ts';
import { Labels } from './labels.ts';
import { BINARY, type Ordering } from './ordering.ts';

/** The collation document with every field (manual: reference/collation, "Collation Document"). */
interface Settings {
  readonly locale: string;
  readonly caseLevel: boolean;
  readonly caseFirst: 'off' | 'upper' | 'lower';
  readonly strength: number;
  readonly numericOrdering: boolean;
  readonly alternate: 'non-ignorable' | 'shifted';
  readonly maxVariable: 'punct' | 'space';
  readonly normalization: boolean;
  readonly backwards: boolean;
}

const FIELDS = new Set([
  'locale',
  'caseLevel',
  'caseFirst',
  'strength',
  'numericOrdering',
  'alternate',
  'maxVariable',
  'normalization',
  'backwards',
  'version',
]);

const orderings = new Map<string, Ordering>();

/** The ordering that a collation document asks for; `undefined` when there is none to read. */
export function parseCollation(value: Value | undefined): Ordering | undefined {
  if (value === undefined || value === null) return undefined;
  if (!(value instanceof Doc)) {
    throw typeMismatch(`BSON field 'collation' is the wrong type '${typeName(value)}', expected type 'object'`);
  }
  if (value.size === 0) return undefined;
  const settings = parseSettings(value);
  if (settings === undefined) return BINARY;
  const id = JSON.stringify(settings);
  let ordering = orderings.get(id);
  if (ordering === undefined) {
    ordering = makeOrdering(id, settings);
    orderings.set(id, ordering);
  }
  return ordering;
}

function parseSettings(doc: Doc): Settings | undefined {
  for (const key of doc.keys) {
    if (!FIELDS.has(key)) throw new MongoError(40415, `BSON field 'collation.${key}' is an unknown field.`);
  }
  const locale = doc.get('locale');
  if (locale === undefined)
    throw new MongoError(40414, "BSON field 'collation.locale' is missing but a required field");
  if (typeof locale !== 'string') {
    throw typeMismatch(`BSON field 'collation.locale' is the wrong type '${typeName(locale)}', expected type 'string'`);
  }
  const flag = (name: string): boolean => {
    const given = doc.get(name) ?? false;
    if (typeof given === 'boolean') return given;
    throw typeMismatch(`BSON field 'collation.${name}' is the wrong type '${typeName(given)}', expected type 'bool'`);
  };
  const choice = <Name extends string>(name: string, options: readonly [Name, ...Name[]]): Name => {
    const given = doc.get(name) ?? options[0];
    const found = options.find((option) => option === given);
    if (found === undefined) {
      throw badValue(`Enumeration value '${String(given)}' for field 'collation.${name}' is not a valid value.`);
    }
    return found;
  };
  const given = doc.get('strength') ?? 3;
  const strength = isNumeric(given) ? toDouble(given) : Number.NaN;
  if (![1, 2, 3, 4, 5].includes(strength)) {
    throw badValue(`Enumeration value '${String(strength)}' for field 'collation.strength' is not a valid value.`);
  }
  const settings: Settings = {
    locale,
    caseLevel: flag('caseLevel'),
    caseFirst: choice('caseFirst', ['off', 'upper', 'lower']),
    strength,
    numericOrdering: flag('numericOrdering'),
    alternate: choice('alternate', ['non-ignorable', 'shifted']),
    maxVariable: choice('maxVariable', ['punct', 'space']),
    normalization: flag('normalization'),
    backwards: flag('backwards'),
  };
  if (locale === 'simple') {
    if (doc.size > 1) throw badValue("If 'locale' is 'simple', no other collation options may be given");
    return undefined;
  }
  return checked(settings);
}

function checked(settings: Settings): Settings {
  if (settings.caseFirst !== 'off' && settings.strength < 3 && !settings.caseLevel) {
    throw badValue("'caseFirst' is invalid unless 'caseLevel' is on or 'strength' is greater than 2");
  }
  if (settings.backwards && settings.strength < 2) {
    throw badValue("'backwards' is invalid with 'strength' of 1");
  }
  if (settings.alternate === 'shifted' && settings.maxVariable === 'space') {
    throw new MongoError(
      ErrorCode.NotImplemented,
      "collations with maxVariable 'space' are not supported by this server",
    );
  }
  if (settings.alternate === 'shifted' && settings.caseLevel && settings.strength === 2) {
    throw new MongoError(
      ErrorCode.NotImplemented,
      "collations with strength 2, caseLevel and alternate 'shifted' are not supported by this server",
    );
  }
  tagOf(settings.locale);
  return settings;
}

/** ICU's name of a locale, such as `de_AT@collation=phonebook`, as a language tag. */
function tagOf(locale: string): string {
  const [name = '', keywords] = locale.split('@');
  const type = keywords?.startsWith('collation=') === true ? keywords.slice('collation='.length) : undefined;
  const aliases: Record<string, string> = { phonebook: 'phonebk', traditional: 'trad', dictionary: 'dict' };
  const tag = name.replaceAll('_', '-') + (type === undefined ? '' : `-u-co-${aliases[type] ?? type}`);
  let known = false;
  try {
    known = Intl.Collator.supportedLocalesOf(tag).length > 0 && /^[a-z]{2,3}(_[A-Za-z]+)*$/.test(name);
  } catch {
    // Not even the form of a language tag.
  }
  if (!known || (keywords !== undefined && type === undefined)) {
    throw badValue(`Field 'locale' is invalid in: { locale: "${locale}" }`);
  }
  return tag;
}

function makeOrdering(id: string, settings: Settings): Ordering {
  const order = stringOrder(settings);
  const labels = new Labels(order);
  const text = (string: string): string => `${labels.of(string)}\0\0`;
  return {
    id,
    specification: Doc.of({ ...settings, version: '57.1' }),
    compare: (a, b) => compare(a, b, order),
    equals: (a, b) => a === b || compare(a, b, order) === 0,
    encode: (value) => encodeValue(value, text),
  };
}

/** The levels at which strings differ, from base letters over accents and case to code points. */
function stringOrder(settings: Settings): StringOrder {
  const { strength, caseLevel } = settings;
  const at = (sensitivity: 'base' | 'accent' | 'case' | 'variant', punctuation = settings.alternate === 'shifted') =>
    new Intl.Collator(tagOf(settings.locale), {
      sensitivity,
      ignorePunctuation: punctuation,
      numeric: settings.numericOrdering,
      caseFirst: settings.caseFirst === 'off' ? 'false' : settings.caseFirst,
    }).compare;
  const levels: StringOrder[] = [];
  if (settings.backwards) levels.push(at('base'), backwards(at('accent')));
  if (strength === 1) levels.push(at(caseLevel ? 'case' : 'base'));
  else if (strength === 2) levels.push(at('accent'), ...(caseLevel ? [at('case')] : []));
  else if (caseLevel) levels.push(at('accent'), at('case'), at('variant'));
  else levels.push(at('variant'));
  if (strength >= 4 && settings.alternate === 'shifted') levels.push(at('variant', false));
  if (strength === 5) levels.push((a, b) => compareStrings(a.normalize('NFD'), b.normalize('NFD')));
  if (levels.length === 1) return levels[0] as StringOrder;
  return (a, b) => {
    for (const level of levels) {
      const difference = level(a, b);
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

/** French dictionaries let the last different accent decide (manual: reference/collation, "backwards"). */
function backwards(accents: StringOrder): StringOrder {
  const segments = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  const split = (text: string): string[] => [...segments.segment(text)].map(({ segment }) => segment);
  return (a, b) => {
    const x = split(a);
    const y = split(b);
    if (x.length !== y.length) return accents(a, b);
    for (let i = x.length - 1; i >= 0; i--) {
      const difference = accents(x[i] as string, y[i] as string);
      if (difference !== 0) return difference;
    }
    return 0;
  };
}
