import { Binary, Doc, Double, ObjectId, type Value } from './values.ts';

/** As MongoDB's error messages print values. */
export function render(value: Value): string {
  if (value instanceof Doc) {
    return value.size === 0 ? '{}' : `{ ${[...value.entries()].map(([k, v]) => `${k}: ${render(v)}`).join(', ')} }`;
  }
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[ ${value.map(render).join(', ')} ]`;
  if (value instanceof ObjectId) return `ObjectId('${value.toHex()}')`;
  if (typeof value === 'string') return `"${value}"`;
  if (value instanceof Double) return Number.isInteger(value.value) ? value.value.toFixed(1) : String(value.value);
  if (value !== null && typeof value === 'object' && 'ms' in value) return `new Date(${value.ms})`;
  if (value instanceof Binary)
    return `BinData(${value.subtype}, ${Buffer.from(value.bytes).toString('hex').toUpperCase()})`;
  return String(value);
}
