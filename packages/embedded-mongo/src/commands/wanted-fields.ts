import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';

/** Fields at the top of documents. */
export type Fields = ReadonlySet<string>;

export const NO_FIELDS: Fields = new Set();

/** Operators that look at fields which they name without a `$`, or at whole documents. */
const LOOKING_ELSEWHERE = new Set([
  '$getField',
  '$setField',
  '$unsetField',
  '$top',
  '$topN',
  '$bottom',
  '$bottomN',
  '$function',
  '$accumulator',
  '$meta',
]);

/** The fields of its input that a pipeline looks at; `undefined`: perhaps all of them. */
export function wantedByPipeline([first]: readonly Value[]): Fields | undefined {
  if (!(first instanceof Doc)) return undefined;
  const fields = new Set<string>();
  switch (first.keys[0]) {
    case '$count':
      return NO_FIELDS;
    case '$group':
    case '$bucket':
    case '$sortByCount':
      return collectFields(first.values[0] as Value, fields) ? fields : undefined;
    default:
      return undefined;
  }
}

/** Adds the fields that an expression names. */
function collectFields(expression: Value, fields: Set<string>): boolean {
  if (typeof expression === 'string') return collectPath(expression, fields);
  if (Array.isArray(expression)) return expression.every((element) => collectFields(element, fields));
  if (!(expression instanceof Doc)) return true;
  return [...expression.entries()].every(
    ([name, value]) => name === '$literal' || (!LOOKING_ELSEWHERE.has(name) && collectFields(value, fields)),
  );
}

function collectPath(path: string, fields: Set<string>): boolean {
  const [root = ''] = path.split('.', 1);
  if (root === '$$ROOT' || root === '$$CURRENT') return false;
  if (root.startsWith('$') && !root.startsWith('$$')) fields.add(root.slice(1));
  return true;
}

/** The fields that a projection of `find` keeps, where it does nothing but keep fields. */
export function wantedByProjection(projection: Doc): Fields | undefined {
  const fields = new Set<string>(['_id']);
  for (const [name, value] of projection.entries()) {
    const keeps = value === true || (isNumeric(value) && toDouble(value) !== 0);
    const drops = value === false || (isNumeric(value) && toDouble(value) === 0);
    if (name === '_id' && drops) fields.delete('_id');
    else if (!keeps || name.endsWith('.$')) return undefined;
    else fields.add(name);
  }
  // Of which nothing is left: such a projection drops.
  return projection.size === 1 && !fields.has('_id') ? undefined : fields;
}
