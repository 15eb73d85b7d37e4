import type { Doc, Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import type { Index } from '../indexes/index.ts';
import { invert } from '../indexes/key.ts';
import { type Interval, TOP } from './bounds.ts';
import type { Between } from './planner.ts';

/** The part of an index from `min` up to, but without, `max` (manual: reference/method/cursor.min and cursor.max). */
export function rangeBetween(index: Index, { min, max }: Between): Interval {
  if (index.wildcard !== undefined || index.fields.some(({ hashed }) => hashed)) throw incompatibleRange();
  const from = min === undefined ? '' : boundary(index, min);
  const to = max === undefined ? TOP : boundary(index, max);
  if (from < to) return { from, to, point: false };
  throw new MongoError(
    51175,
    'The value provided for min() does not come before the value provided for max() in the hinted index',
  );
}

export function incompatibleRange(): MongoError {
  return new MongoError(51174, 'The index chosen is not compatible with min/max');
}

/** The least key of the values: all fields of the index have to be named, in its order. */
function boundary(index: Index, values: Doc): string {
  const { fields, ordering } = index;
  if (values.size !== fields.length || fields.some(({ path }, at) => values.keys[at] !== path)) {
    throw incompatibleRange();
  }
  return fields
    .map(({ descending }, at) => {
      const encoded = ordering.encode(values.values[at] as Value);
      return descending ? invert(encoded) : encoded;
    })
    .join('');
}
