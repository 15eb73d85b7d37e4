import { Doc, type Value } from '../bson/values.ts';

/** The value at a dotted path, not looking into arrays. */
export function fieldAt(doc: Doc, parts: readonly string[]): Value | undefined {
  let value: Value | undefined = doc;
  for (const part of parts) value = value instanceof Doc ? value.get(part) : undefined;
  return value;
}

/** The document with a value at a dotted path; `undefined` leaves it as it is. */
export function withField(doc: Doc, parts: readonly string[], value: Value | undefined, depth = 0): Doc {
  if (value === undefined) return doc;
  const part = parts[depth] as string;
  if (depth === parts.length - 1) return doc.with(part, value);
  const inner = doc.get(part);
  return doc.with(part, withField(inner instanceof Doc ? inner : Doc.EMPTY, parts, value, depth + 1));
}
