type Fields = Readonly<Record<string, unknown>>;

/** Whether a name is one of the product's own: a segment of a path in one of its schemas. */
export type Vocabulary = (segment: string) => boolean;

const VALUE = '?';
const MOST_ITEMS = 8;
const MOST_CHARACTERS = 1_000;

/** Operators as they are sent; whatever else begins with a dollar sign is taken for a value. */
const OPERATORS = new Set(
  `$eq $ne $gt $gte $lt $lte $in $nin $exists $type $regex $options $mod $all $elemMatch $size $not $and $or $nor $expr
  $text $comment $where $jsonSchema $geoWithin $geoIntersects $near $nearSphere
  $set $unset $inc $mul $min $max $rename $setOnInsert $currentDate $push $pull $pullAll $addToSet $pop $bit
  $match $group $project $addFields $sort $limit $skip $unwind $lookup $facet $bucket $bucketAuto $count $sample
  $replaceWith $replaceRoot $sortByCount $setWindowFields $densify $fill $unionWith $graphLookup $merge $out $redact
  $changeStream $collStats $indexStats $geoNear $documents`.split(/\s+/),
);

const JOINING = new Set(['$and', '$or', '$nor']);
const STAGES_OF_FIELDS = new Set(['$set', '$addFields', '$project', '$group', '$sort']);

/**
 * What a command asks, without any of its values: names of fields and operators, and `?` for everything else. A name that is
 * not of the vocabulary is a `?` too, since a key of a map can be somebody's data.
 *
 * @example
 * shapeOf({ find: 'users', filter: { email: 'a@example.com' } }, isKnown); // {filter: {email: ?}}
 */
export function shapeOf(command: Fields, isKnown: Vocabulary): string {
  const pathOf = (path: string) =>
    path
      .split('.')
      .map((segment) => (isKnown(segment) ? segment : VALUE))
      .join('.');

  const fields = (value: unknown) => entries(value, (name) => `${nameOf(name)}: ${VALUE}`);
  const nameOf = (name: string) => (name.startsWith('$') ? operatorOf(name) : pathOf(name));

  function filter(value: unknown): string {
    return entries(value, (name, part) => {
      if (JOINING.has(name)) return `${name}: ${list(part, filter)}`;
      if (name.startsWith('$')) return `${operatorOf(name)}: ${VALUE}`;
      return `${pathOf(name)}: ${condition(part)}`;
    });
  }

  function condition(value: unknown): string {
    if (!isFields(value) || !Object.keys(value).some((name) => name.startsWith('$'))) return VALUE;
    return entries(value, (name, part) => {
      if (name === '$not') return `$not: ${condition(part)}`;
      if (name === '$elemMatch') return `$elemMatch: ${filter(part)}`;
      return `${operatorOf(name)}: ${VALUE}`;
    });
  }

  function update(value: unknown): string {
    if (Array.isArray(value)) return list(value, stage);
    return entries(value, (name, part) => (name.startsWith('$') ? `${operatorOf(name)}: ${fields(part)}` : VALUE));
  }

  function stage(value: unknown): string {
    return entries(value, (name, part) => {
      if (name === '$match') return `$match: ${filter(part)}`;
      if (STAGES_OF_FIELDS.has(name)) return `${name}: ${fields(part)}`;
      return `${operatorOf(name)}: ${VALUE}`;
    });
  }

  function statement(value: unknown): string {
    if (!isFields(value)) return VALUE;
    const { q, u } = value;
    return u === undefined ? filter(q) : `${filter(q)} → ${update(u)}`;
  }

  const parts: Readonly<Record<string, (value: unknown) => string>> = {
    filter,
    query: filter,
    sort: fields,
    projection: fields,
    fields,
    update,
    updates: (value) => list(value, statement),
    deletes: (value) => list(value, statement),
    pipeline: (value) => list(value, stage),
    documents: () => `[${VALUE}]`,
    limit: () => VALUE,
    skip: () => VALUE,
  };
  const told = Object.entries(command).flatMap(([name, value]) => {
    const part = Object.hasOwn(parts, name) ? parts[name] : undefined;
    // A command's own name holds its collection, which the log tells beside.
    return part && typeof value !== 'string' ? [`${name}: ${part(value)}`] : [];
  });
  const shape = `{${told.join(', ')}}`;
  return shape.length <= MOST_CHARACTERS ? shape : `${shape.slice(0, MOST_CHARACTERS).replace(/[^,]*$/, '')} …`;
}

function operatorOf(name: string): string {
  return OPERATORS.has(name) ? name : VALUE;
}

function entries(value: unknown, shown: (name: string, part: unknown) => string): string {
  // The driver keeps the order of a sort in a map.
  const pairs = value instanceof Map ? [...value] : isFields(value) ? Object.entries(value) : null;
  if (pairs === null) return VALUE;
  return `{${cut(pairs.map(([name, part]) => shown(String(name), part))).join(', ')}}`;
}

function list(value: unknown, shown: (item: unknown) => string): string {
  if (!Array.isArray(value)) return VALUE;
  return `[${cut(value.slice(0, MOST_ITEMS + 1).map(shown)).join(', ')}]`;
}

function cut(items: string[]): string[] {
  return items.length > MOST_ITEMS ? [...items.slice(0, MOST_ITEMS), '…'] : items;
}

/** A plain document; an id, a date or a pattern is a value. */
function isFields(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
