import { render } from '../bson/render.ts';
import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Index } from '../indexes/index.ts';

/** The error that a unique index answers with: ODMs read the field and the value from it. */
export function duplicateKey(namespace: string, index: Index, doc: Doc, key: string): MongoError {
  const values = conflictingValues(index, doc, key);
  const keyValue = new Doc([...index.spec.key.keys], values);
  const shown = index.spec.key.keys.map((name, i) => `${name}: ${render(values[i] as Value)}`).join(', ');
  return new MongoError(
    ErrorCode.DuplicateKey,
    `E11000 duplicate key error collection: ${namespace} index: ${index.spec.name} dup key: { ${shown} }`,
    { keyPattern: index.spec.key, keyValue },
  );
}

/** The values behind the key that conflicts: of a multikey index, the element's instead of the whole array. */
export function conflictingValues(index: Index, doc: Doc, key: string): Value[] {
  return index.fields.map((field) => {
    const reached = reach(doc, field.parts, 0);
    const candidates = reached.filter((value) => {
      const probe = index.keysOf(replaceAt(doc, field.parts, 0, value) as Doc);
      return probe?.keys.includes(key) === true;
    });
    return candidates[0] ?? reached[0] ?? null;
  });
}

function reach(value: Value | undefined, parts: readonly string[], depth: number): Value[] {
  if (Array.isArray(value)) return value.flatMap((element) => reach(element, parts, depth));
  if (depth === parts.length) return value === undefined ? [] : [value];
  return value instanceof Doc ? reach(value.get(parts[depth] as string), parts, depth + 1) : [];
}

/** The document as it would be with only `value` at the path. */
function replaceAt(container: Value | undefined, parts: readonly string[], depth: number, value: Value): Value {
  if (depth === parts.length) return value;
  const part = parts[depth] as string;
  const doc = container instanceof Doc ? container : Doc.EMPTY;
  return doc.with(part, replaceAt(doc.get(part), parts, depth + 1, value));
}
