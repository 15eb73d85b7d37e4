import { type Cipher, EncryptedFieldError, type Fields, fieldAt, isFields, lookupPath } from './cipher.ts';

const LOGICAL = new Set(['$and', '$or', '$nor']);
const CAN_BE_ASKED = 'it can be asked for by equality, $in, $nin, $ne, $exists and null alone.';

/**
 * The same question, asked of the hashes: equality and membership of an encrypted field become a look-up.
 *
 * @throws {EncryptedFieldError} for any other question about an encrypted field
 */
export async function sealFilter(cipher: Cipher, filter: unknown): Promise<unknown> {
  if (!isFields(filter)) return filter;
  const kept: Fields = {};
  const clauses: unknown[] = [];
  for (const [name, condition] of Object.entries(filter)) {
    const field = fieldAt(cipher, name);
    if (LOGICAL.has(name) && Array.isArray(condition)) {
      kept[name] = await Promise.all(condition.map((part) => sealFilter(cipher, part)));
    } else if (field === undefined) {
      refuseMentions(cipher, name.startsWith('$') ? condition : undefined);
      kept[name] = condition;
    } else if (name !== field) {
      throw new EncryptedFieldError(cipher, field, `nothing inside it can be searched (${name}).`);
    } else {
      clauses.push(...(await sealCondition(cipher, field, condition)));
    }
  }
  if (clauses.length === 0) return kept;
  const given = Array.isArray(kept['$and']) ? kept['$and'] : [];
  return { ...kept, $and: [...given, ...clauses] };
}

/**
 * What a filter asks encrypted fields to equal: an upsert stores it.
 * https://www.mongodb.com/docs/manual/reference/method/db.collection.updateOne/#upsert-with-operator-expressions
 *
 * @throws {EncryptedFieldError} when one field is to equal two things, as MongoDB would
 */
export function equalitiesOf(cipher: Cipher, filter: unknown): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [field, value] of equalities(cipher, filter)) {
    if (found.has(field) && found.get(field) !== value)
      throw new EncryptedFieldError(cipher, field, 'an upsert cannot ask for two values of it.');
    found.set(field, value);
  }
  return found;
}

function* equalities(cipher: Cipher, filter: unknown): Generator<[string, unknown]> {
  if (!isFields(filter)) return;
  for (const [name, condition] of Object.entries(filter)) {
    if (Array.isArray(condition) && (name === '$and' || (name === '$or' && condition.length === 1))) {
      for (const part of condition) yield* equalities(cipher, part);
    } else if (cipher.fields.has(name)) {
      for (const value of equalsOf(condition)) yield [name, value];
    }
  }
}

/** Membership of a list of one is equality as well. */
function equalsOf(condition: unknown): unknown[] {
  if (!isOperators(condition)) return [condition];
  const list = condition['$in'];
  return [...('$eq' in condition ? [condition['$eq']] : []), ...(Array.isArray(list) && list.length === 1 ? list : [])];
}

async function sealCondition(cipher: Cipher, field: string, condition: unknown): Promise<Fields[]> {
  if (!isOperators(condition)) return [await equality(cipher, field, condition)];
  return Promise.all(Object.entries(condition).map(([operator, operand]) => ask(cipher, field, operator, operand)));
}

async function ask(cipher: Cipher, field: string, operator: string, operand: unknown): Promise<Fields> {
  switch (operator) {
    case '$eq':
      return equality(cipher, field, operand);
    case '$ne':
      return { $nor: [await equality(cipher, field, operand)] };
    case '$in':
      return membership(cipher, field, listOf(cipher, field, operand));
    case '$nin':
      return { $nor: [await membership(cipher, field, listOf(cipher, field, operand))] };
    case '$exists':
      return { [field]: { $exists: operand } };
    default:
      throw new EncryptedFieldError(cipher, field, `${operator} would compare ciphertext; ${CAN_BE_ASKED}`);
  }
}

async function equality(cipher: Cipher, field: string, value: unknown): Promise<Fields> {
  return value === null || value === undefined ? { [field]: null } : membership(cipher, field, [value]);
}

async function membership(cipher: Cipher, field: string, values: readonly unknown[]): Promise<Fields> {
  const texts = values.filter((value) => value !== null && value !== undefined);
  if (texts.length === 0) return { [field]: { $in: values } };
  const hashes = await Promise.all(texts.map((text) => hashesOf(cipher, field, text)));
  const lookup = { [lookupPath(field)]: { $in: hashes.flat() } };
  // Null asks for what is missing as well, and neither is encrypted.
  return texts.length === values.length ? lookup : { $or: [lookup, { [field]: null }] };
}

async function hashesOf(cipher: Cipher, field: string, value: unknown): Promise<string[]> {
  if (!cipher.fields.get(field)?.isLookedUp) {
    throw new EncryptedFieldError(cipher, field, 'it cannot be searched, only $exists and null can be asked for.');
  }
  if (typeof value !== 'string') throw new EncryptedFieldError(cipher, field, CAN_BE_ASKED);
  return cipher.keyring().searchHashes({ model: cipher.model, field }, value);
}

function listOf(cipher: Cipher, field: string, operand: unknown): readonly unknown[] {
  if (Array.isArray(operand)) return operand;
  throw new EncryptedFieldError(cipher, field, CAN_BE_ASKED);
}

function isOperators(condition: unknown): condition is Fields {
  return isFields(condition) && Object.keys(condition).some((name) => name.startsWith('$'));
}

/**
 * Refuses expressions that read an encrypted field: they would see ciphertext.
 *
 * @throws {EncryptedFieldError}
 */
export function refuseMentions(cipher: Cipher, expression: unknown): void {
  if (typeof expression === 'string') {
    const path = /^\$(?:\$(?:ROOT|CURRENT)\.)?([^$].*)$/.exec(expression)?.[1];
    const field = path === undefined ? undefined : fieldAt(cipher, path);
    if (field !== undefined) {
      throw new EncryptedFieldError(cipher, field, `an expression (${expression}) would see ciphertext.`);
    }
  } else if (Array.isArray(expression)) {
    for (const part of expression) refuseMentions(cipher, part);
  } else if (isFields(expression)) {
    for (const part of Object.values(expression)) refuseMentions(cipher, part);
  }
}
