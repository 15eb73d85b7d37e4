import { type Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';

/** What an index is for. Text and geo indexes are declared only: listed, but no query is answered by them. */
export type IndexKind = 'ordinary' | 'hashed' | 'wildcard' | 'text' | '2d' | '2dsphere';

const PLUGINS = ['hashed', 'text', '2d', '2dsphere'] as const;

export function isDeclaredOnly(kind: IndexKind): boolean {
  return kind === 'text' || kind === '2d' || kind === '2dsphere';
}

export const isWildcardPath = (path: string): boolean => path === '$**' || path.endsWith('.$**');

function cannotCreate(message: string): MongoError {
  return new MongoError(ErrorCode.CannotCreateIndex, message);
}

/** Checks a key pattern and tells the kind of its index (manual: core/indexes/index-types). */
export function checkKeyPattern(key: Doc): IndexKind {
  let kind: IndexKind = 'ordinary';
  let hashed = 0;
  for (const [path, direction] of key.entries()) {
    const plugin = pluginOf(path, direction);
    if (isWildcardPath(path)) {
      if (plugin !== undefined && !(plugin === 'text' && path === '$**')) {
        throw cannotCreate(`wildcard indexes do not support the index type '${plugin}'`);
      }
      kind = combined(kind, plugin ?? 'wildcard');
    } else if (plugin !== undefined) {
      kind = combined(kind, plugin);
      if (plugin === 'hashed') hashed += 1;
    }
  }
  if (hashed > 1) {
    throw new MongoError(31303, `A maximum of one index field is allowed to be hashed but found ${hashed}`);
  }
  return kind;
}

function combined(kind: IndexKind, next: IndexKind): IndexKind {
  if (kind === 'ordinary' || kind === next) return next;
  throw cannotCreate(`Can't use more than one index plugin for a single index.`);
}

function pluginOf(path: string, direction: Value): (typeof PLUGINS)[number] | undefined {
  if (path === '' || path.split('.').includes('')) throw cannotCreate('Index keys cannot be an empty field.');
  const parts = path.split('.');
  const named = isWildcardPath(path) ? parts.slice(0, -1) : parts;
  if (named.some((part) => part.startsWith('$'))) {
    throw cannotCreate(`Index key contains an illegal field name: field name starts with '$'.`);
  }
  if (typeof direction === 'string') {
    const plugin = PLUGINS.find((name) => name === direction);
    if (plugin === undefined) throw cannotCreate(`Unknown index plugin '${direction}'`);
    return plugin;
  }
  if (!isNumeric(direction) || toDouble(direction) === 0 || Number.isNaN(toDouble(direction))) {
    throw cannotCreate('Values in the index key pattern must be numbers other than 0, or strings.');
  }
  return undefined;
}
