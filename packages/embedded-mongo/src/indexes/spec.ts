import { Doc, isNumeric, type Numeric, toDouble, type Value } from '../bson/values.ts';
import { parseCollation } from '../collation/collation.ts';
import { ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import { isTrue } from '../expression/compile.ts';
import { Matcher } from '../query/match.ts';
import { geoOptions } from './geo.ts';
import { checkKeyPattern, type IndexKind } from './kinds.ts';
import { describeText } from './text.ts';
import { checkWildcard } from './wildcard-spec.ts';

/** Manual: reference/limits, "Indexes". */
const MAX_FIELDS = 32;

/** An index as `createIndexes` describes it and `listIndexes` shows it. */
export interface IndexSpec {
  readonly name: string;
  readonly key: Doc;
  readonly kind: IndexKind;
  readonly unique: boolean;
  /** New duplicates are refused, and old ones stay, until the index is made unique (manual: reference/command/collMod). */
  readonly prepareUnique: boolean;
  readonly sparse: boolean;
  readonly partialFilter: Doc | undefined;
  readonly expireAfterSeconds: number | undefined;
  readonly hidden: boolean;
  /** In full; nothing for binary comparison. */
  readonly collation: Doc | undefined;
  /** The whole specification, with what this server only keeps. */
  readonly document: Doc;
}

const IGNORED = new Set(['v', 'ns', 'dropDups']);
/** Listed as they were given, and without effect (manual: reference/command/createIndexes, "Fields"). */
const KEPT = ['background', 'storageEngine'];
const OPTIONS = new Set([
  'key',
  'name',
  'unique',
  'sparse',
  'partialFilterExpression',
  'expireAfterSeconds',
  'hidden',
  'collation',
  'clustered',
  'prepareUnique',
  ...KEPT,
]);
const TEXT_OPTIONS = ['weights', 'default_language', 'language_override', 'textIndexVersion'];
const GEO_OPTIONS = ['2dsphereIndexVersion', 'bits', 'min', 'max'];
const KIND_OPTIONS = new Set([...TEXT_OPTIONS, ...GEO_OPTIONS, 'wildcardProjection']);

/** Reads one index description (manual: reference/command/createIndexes, "Fields"). */
export function parseIndexSpec(description: Value): IndexSpec {
  if (!(description instanceof Doc)) throw typeMismatch('index descriptions have to be objects');
  const given = description.get('key');
  if (!(given instanceof Doc) || given.size === 0) throw cannotCreate('Index keys cannot be an empty object');
  if (given.size > MAX_FIELDS) throw new MongoError(13103, 'too many compound keys');
  const kind = checkKeyPattern(given);
  checkOptionNames(description);
  const collation = parseCollation(description.get('collation'))?.specification;
  if (collation !== undefined && (kind === 'text' || kind === '2d')) {
    throw cannotCreate(`Index type '${kind}' does not support collation: ${String(collation.get('locale'))}`);
  }
  const unique = isTrue(description.get('unique'));
  const sparse = isTrue(description.get('sparse'));
  const prepareUnique = description.get('prepareUnique') === true;
  if (unique || prepareUnique) checkUnique(kind);
  const partialFilter = partialFilterOf(description, sparse);
  const expiry = expiryOf(description, given, kind);
  const hidden = description.get('hidden') === true;
  const text = kind === 'text' ? describeText(given, description) : undefined;
  const key = text?.key ?? given;
  const named = description.get('name');
  const name = typeof named === 'string' && named !== '' ? named : defaultName(given);
  const projection = description.get('wildcardProjection');
  checkWildcard(key, kind, projection);
  return {
    name,
    key,
    kind,
    unique,
    prepareUnique,
    sparse,
    partialFilter,
    expireAfterSeconds: expiry === undefined ? undefined : toDouble(expiry),
    hidden,
    collation,
    document: Doc.of({
      v: 2,
      key,
      name,
      unique: unique || undefined,
      sparse: sparse || undefined,
      partialFilterExpression: partialFilter,
      expireAfterSeconds: expiry,
      hidden: hidden || undefined,
      collation,
      wildcardProjection: projection,
      ...text?.options,
      ...geoOptions(kind, description),
      clustered: description.get('clustered') === true || undefined,
      prepareUnique: prepareUnique || undefined,
      ...Object.fromEntries(KEPT.map((option) => [option, description.get(option)])),
    }),
  };
}

function cannotCreate(message: string): MongoError {
  return new MongoError(ErrorCode.CannotCreateIndex, message);
}

function defaultName(key: Doc): string {
  return [...key.entries()]
    .map(([path, direction]) => `${path}_${isNumeric(direction) ? toDouble(direction) : String(direction)}`)
    .join('_');
}

function checkOptionNames(description: Doc): void {
  for (const option of description.keys) {
    if (IGNORED.has(option) || OPTIONS.has(option) || KIND_OPTIONS.has(option)) continue;
    throw new MongoError(
      ErrorCode.InvalidIndexSpecificationOption,
      `Error in specification { ${description.keys.join(', ')} } :: caused by :: The field '${option}' is not valid for an index specification.`,
    );
  }
}

/** Manual: core/indexes/index-types/index-hashed and index-wildcard, "Restrictions". */
function checkUnique(kind: IndexKind): void {
  if (kind === 'hashed') {
    throw new MongoError(16764, 'Currently hashed indexes cannot guarantee uniqueness. Use a regular index.');
  }
  if (kind === 'wildcard') throw cannotCreate("Index type 'wildcard' does not support the unique option");
  if (kind === 'ordinary') return;
  // It would have to be upheld, which a declared index does not.
  throw new MongoError(ErrorCode.NotImplemented, `unique indexes of type '${kind}' are not supported by this server`);
}

function partialFilterOf(description: Doc, sparse: boolean): Doc | undefined {
  const filter = description.get('partialFilterExpression');
  if (filter === undefined) return undefined;
  if (!(filter instanceof Doc)) throw typeMismatch("The field 'partialFilterExpression' must be an object");
  if (sparse) throw cannotCreate('cannot mix "partialFilterExpression" and "sparse" options');
  checkPartialFilter(new Matcher(filter));
  return filter;
}

/** Only conditions that a planner can reason about (manual: core/index-partial). */
function checkPartialFilter(matcher: Matcher): void {
  const check = (node: Matcher['root']): boolean => {
    if (node.kind === 'and' || node.kind === 'or') return node.children.every(check);
    return node.kind === 'leaf' && node.operator !== 'other' && node.operator !== 'regex';
  };
  if (!check(matcher.root)) throw cannotCreate('unsupported expression in partial index');
}

function expiryOf(description: Doc, key: Doc, kind: IndexKind): Numeric | undefined {
  const expiry = description.get('expireAfterSeconds');
  if (expiry === undefined) return undefined;
  if (!isNumeric(expiry) || toDouble(expiry) < 0) {
    throw cannotCreate("TTL index 'expireAfterSeconds' option must be a number of at least 0");
  }
  if (key.size > 1) throw cannotCreate('TTL indexes are single-field indexes, compound indexes do not support TTL');
  if (kind === 'wildcard') throw cannotCreate("Index type 'wildcard' cannot be a TTL index");
  return expiry;
}
