import { encodeDocument } from './encode.ts';
import { DateTime, Doc, Double, ObjectId, type Value } from './values.ts';

/** Whether two values have the same type and the same bytes: an update to an identical value changes nothing. */
export function identical(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a === null || b === null) return false;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (a instanceof Double) return b instanceof Double && Object.is(a.value, b.value);
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((element, i) => identical(element, b[i]));
  }
  if (a instanceof Doc) {
    return (
      b instanceof Doc &&
      a.size === b.size &&
      (a.keys === b.keys || a.keys.every((key, i) => key === b.keys[i])) &&
      a.values.every((value, i) => identical(value, b.values[i]))
    );
  }
  if (a.constructor !== b.constructor) return false;
  if (a instanceof DateTime && b instanceof DateTime) return a.ms === b.ms;
  if (a instanceof ObjectId && b instanceof ObjectId) return a.bytes === b.bytes;
  const x = encodeDocument(new Doc(['v'], [a]));
  const y = encodeDocument(new Doc(['v'], [b]));
  return Buffer.compare(x, y) === 0;
}
