import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';

/** Manual: reference/text-search-languages. */
const LANGUAGES = new Set(
  'none danish da dutch nl english en finnish fi french fr german de hungarian hu italian it norwegian nb portuguese pt romanian ro russian ru spanish es swedish sv turkish tr'.split(
    ' ',
  ),
);
const MAX_WEIGHT = 1_000_000_000;

function cannotCreate(message: string): MongoError {
  return new MongoError(ErrorCode.CannotCreateIndex, message);
}

/**
 * A text index as `listIndexes` shows it: the text fields become one pair of internal fields, their names stand with
 * their weights (manual: core/indexes/index-types/index-text).
 */
export function describeText(key: Doc, description: Doc): { key: Doc; options: Record<string, Value> } {
  const weights = new Map<string, Value>();
  const names: string[] = [];
  const directions: Value[] = [];
  const isListed = key.get('_fts') === 'text';
  for (const [path, direction] of key.entries()) {
    const isText = direction === 'text';
    if (isText && !names.includes('_fts')) {
      names.push('_fts', '_ftsx');
      directions.push('text', 1);
    }
    if (isText && !isListed) weights.set(path, 1);
    if (!isText && path !== '_ftsx') {
      names.push(path);
      directions.push(direction);
    }
  }
  const given = description.get('weights');
  if (given instanceof Doc) {
    for (const [path, weight] of given.entries()) {
      if (!isNumeric(weight)) throw cannotCreate('weight for text index needs numeric type');
      const number = toDouble(weight);
      if (!(number > 0 && number < MAX_WEIGHT)) {
        throw cannotCreate(
          `text index weight must be in the exclusive interval (0,${MAX_WEIGHT}) but found: ${number}`,
        );
      }
      weights.set(path, weight);
    }
  } else if (given !== undefined) {
    throw cannotCreate("text index option 'weights' must be an object");
  }
  // MongoDB keeps them sorted by name.
  const sorted = [...weights].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    key: new Doc(names, directions),
    options: {
      weights: new Doc(
        sorted.map(([path]) => path),
        sorted.map(([, weight]) => weight),
      ),
      default_language: languageOf(description),
      language_override: textOption(description, 'language_override', 'language'),
      textIndexVersion: 3,
    },
  };
}

function languageOf(description: Doc): string {
  const language = textOption(description, 'default_language', 'english');
  if (!LANGUAGES.has(language.toLowerCase())) throw cannotCreate('default_language is not valid');
  return language;
}

function textOption(description: Doc, name: string, otherwise: string): string {
  const value = description.get(name) ?? otherwise;
  if (typeof value !== 'string' || value === '') throw cannotCreate(`text index option '${name}' must be a string`);
  return value;
}
