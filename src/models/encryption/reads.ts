import { type Cipher, EncryptedFieldError, type Fields, fieldAt, isFields } from './cipher.ts';
import { refuseMentions, sealFilter } from './filters.ts';

/**
 * Refuses what only plaintext could answer: an order by an encrypted field, or a part of one.
 *
 * @throws {EncryptedFieldError}
 */
export function checkOptions(cipher: Cipher, options: unknown): void {
  if (!isFields(options)) return;
  checkSort(cipher, options['sort']);
  checkProjection(cipher, options['projection']);
}

export function checkSort(cipher: Cipher, sort: unknown): void {
  for (const path of namesIn(sort)) {
    const field = fieldAt(cipher, path);
    if (field !== undefined) throw new EncryptedFieldError(cipher, field, 'nothing can be ordered by ciphertext.');
  }
}

export function checkProjection(cipher: Cipher, projection: unknown): void {
  if (!isFields(projection)) return;
  for (const [path, value] of Object.entries(projection)) {
    refuseMentions(cipher, value);
    const field = fieldAt(cipher, path);
    if (field !== undefined && (path !== field || isFields(value))) {
      throw new EncryptedFieldError(cipher, field, 'select all of it; the database cannot see its parts.');
    }
  }
}

/** The forms of a sort: a name, a list of names or pairs, a map, an object. */
function namesIn(sort: unknown): string[] {
  if (typeof sort === 'string') return [sort.replace(/^-/, '')];
  if (sort instanceof Map) return [...sort.keys()].map(String);
  if (Array.isArray(sort)) return sort.flatMap(namesIn);
  return isFields(sort) ? Object.keys(sort) : [];
}

/** Stages behind which a document still is what is stored, so that a filter may still ask its hashes. */
const SHAPE_KEEPING = new Set(['$match', '$sort', '$limit', '$skip', '$sample']);

/**
 * The same pipeline, where its first `$match` stages may ask for encrypted fields like every filter. The results keep
 * encrypted fields under their names; whatever would compute with them is refused.
 *
 * @throws {EncryptedFieldError}
 */
export async function sealPipeline(cipher: Cipher, stages: readonly unknown[]): Promise<unknown[]> {
  const sealed: unknown[] = [];
  let isStored = true;
  for (const stage of stages) {
    const [[name, body] = ['', undefined]] = isFields(stage) ? Object.entries(stage) : [];
    if (name === '$match' && isStored) {
      sealed.push({ $match: await sealFilter(cipher, body) });
      continue;
    }
    isStored &&= SHAPE_KEEPING.has(name);
    checkStage(cipher, name, body);
    sealed.push(stage);
  }
  return sealed;
}

function checkStage(cipher: Cipher, name: string, body: unknown): void {
  refuseMentions(cipher, body);
  if (name === '$sort') checkSort(cipher, body);
  const compared = name === '$match' ? keysIn(body) : name === '$lookup' && isFields(body) ? [body['localField']] : [];
  for (const path of compared) {
    const field = typeof path === 'string' ? fieldAt(cipher, path) : undefined;
    if (field !== undefined) {
      throw new EncryptedFieldError(
        cipher,
        field,
        `${name} would compare ciphertext; begin the pipeline with its $match.`,
      );
    }
  }
}

function keysIn(filter: unknown): string[] {
  if (Array.isArray(filter)) return filter.flatMap(keysIn);
  if (!isFields(filter)) return [];
  const entries: [string, unknown][] = Object.entries(filter satisfies Fields);
  return entries.flatMap(([name, part]) => (name.startsWith('$') ? keysIn(part) : [name]));
}
