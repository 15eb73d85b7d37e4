import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, failedToParse, MongoError } from '../errors.ts';
import { isTrue } from '../expression/compile.ts';
import { type IndexKind, isWildcardPath } from './kinds.ts';

/** Which paths a wildcard index holds. */
export interface WildcardScope {
  /** The path under which all is indexed, or `''` for the whole document. */
  readonly root: string;
  readonly projection: Projection | undefined;
  /** Its place among the fields of a compound index. */
  readonly at: number;
}

interface Projection {
  readonly includes: boolean;
  readonly paths: readonly string[];
  readonly withId: boolean;
}

/** Manual: core/indexes/index-types/index-wildcard/reference/restrictions. */
export function checkWildcard(key: Doc, kind: IndexKind, projection: Value | undefined): void {
  const wild = key.keys.filter(isWildcardPath);
  if (kind !== 'wildcard') {
    if (projection !== undefined) throw badValue("The field 'wildcardProjection' is only allowed in a wildcard index");
    return;
  }
  if (wild.length > 1) {
    throw new MongoError(
      ErrorCode.CannotCreateIndex,
      `wildcard indexes can only contain one wildcard field: ${wild.join(', ')}`,
    );
  }
  if (projection === undefined) {
    const [path = ''] = wild;
    if (key.size > 1) checkDisjoint(key, path === '$**' ? [] : [path.slice(0, -4)]);
    return;
  }
  if (wild[0] !== '$**') {
    throw badValue("The field 'wildcardProjection' is only allowed when 'key' is {\"$**\": ±1}");
  }
  const { includes, paths } = parseProjection(projection);
  if (key.size > 1) checkDisjoint(key, includes ? paths : paths.map((path) => `!${path}`));
}

/** The other fields of a compound index must not be among those that its wildcard stands for. */
function checkDisjoint(key: Doc, projected: readonly string[]): void {
  for (const path of key.keys) {
    if (isWildcardPath(path)) continue;
    const excluded = projected.some((entry) => entry.startsWith('!') && covers(entry.slice(1), path));
    const included = projected.length > 0 && projected.every((entry) => !entry.startsWith('!') && !covers(entry, path));
    if (excluded || included) continue;
    throw new MongoError(
      ErrorCode.CannotCreateIndex,
      `'wildcardProjection' has to leave out the field '${path}' of the compound wildcard index`,
    );
  }
}

const covers = (outer: string, path: string): boolean => path === outer || path.startsWith(`${outer}.`);

function parseProjection(projection: Value): Projection {
  if (!(projection instanceof Doc)) {
    throw new MongoError(ErrorCode.TypeMismatch, "The field 'wildcardProjection' must be a non-empty object");
  }
  if (projection.size === 0) throw failedToParse("The 'wildcardProjection' field can't be an empty object");
  const paths: string[] = [];
  let includes: boolean | undefined;
  let withId: boolean | undefined;
  const note = (path: string, value: Value): void => {
    if (value instanceof Doc) {
      for (const [name, inner] of value.entries()) note(`${path}.${name}`, inner);
      return;
    }
    if (typeof value !== 'boolean' && !isNumeric(value)) {
      throw failedToParse(`wildcardProjection: '${path}' has to be included or excluded`);
    }
    const wanted = isNumeric(value) ? toDouble(value) !== 0 : isTrue(value);
    if (path === '_id') {
      withId = wanted;
      return;
    }
    if (includes !== undefined && includes !== wanted) {
      throw new MongoError(wanted ? 31253 : 31254, `Cannot do ${wanted ? 'inclusion' : 'exclusion'} on field ${path}`);
    }
    includes = wanted;
    paths.push(path);
  };
  for (const [path, value] of projection.entries()) note(path, value);
  return { includes: includes ?? withId === true, paths, withId: withId ?? false };
}

export function wildcardScope(key: Doc, projection: Value | undefined): WildcardScope {
  const path = key.keys.find(isWildcardPath) ?? '$**';
  return {
    at: key.keys.findIndex(isWildcardPath),
    root: path === '$**' ? '' : path.slice(0, -4),
    projection: projection === undefined ? undefined : parseProjection(projection),
  };
}

/** `all` of a path and what lies under it is indexed, `none`, or only `some` of what lies under it. */
export function reachOf({ root, projection }: WildcardScope, path: string): 'all' | 'some' | 'none' {
  if (root !== '') return covers(root, path) ? 'all' : covers(path, root) ? 'some' : 'none';
  if (covers('_id', path)) return projection?.withId === true ? 'all' : 'none';
  if (projection === undefined) return 'all';
  const { includes, paths } = projection;
  if (paths.length === 0) return includes ? 'none' : 'all';
  const covered = paths.some((entry) => covers(entry, path));
  const inner = paths.some((entry) => covers(path, entry));
  if (includes) return covered ? 'all' : inner ? 'some' : 'none';
  return covered ? 'none' : inner ? 'some' : 'all';
}
