import { mongo } from 'mongoose';
import { ArtifexError } from '../../domain/errors.ts';
import { keyringOf } from '../../encryption/connections.ts';
import type { Keyring } from '../../encryption/keyring.ts';

/** The fields of one model that are encrypted, on one connection. */
export interface Cipher {
  model: string;
  /** Each encrypted field, and whether it can be looked up by equality. */
  fields: ReadonlyMap<string, { isLookedUp: boolean }>;
  keyring(): Keyring;
}

export type Fields = Record<string, unknown>;

/**
 * Where a document keeps what belongs to its encryption: `keys`, every key that any of its values may be encrypted under,
 * and `lookup`, the hashes of a field by which it is found.
 */
export const BOOKKEEPING = 'fieldEncryption';
export const KEYS_PATH = `${BOOKKEEPING}.keys`;
export const lookupPath = (field: string) => `${BOOKKEEPING}.lookup.${field}`;

/** A use of an encrypted field that no ciphertext can answer. */
export class EncryptedFieldError extends ArtifexError {
  override readonly name = 'EncryptedFieldError';

  constructor(cipher: Cipher, field: string, problem: string) {
    super('internal', `${cipher.model}.${field} is encrypted: ${problem}`);
  }
}

export function createCipher(model: string, fields: Cipher['fields'], connection: object): Cipher {
  return { model, fields, keyring: () => keyringOf(connection) };
}

/** A value as it is stored, with its hashes where the field is looked up and holds a text. */
export async function sealValue(cipher: Cipher, field: string, value: unknown) {
  const place = { model: cipher.model, field };
  const isLookedUp = cipher.fields.get(field)?.isLookedUp === true;
  if (value === null || value === undefined) return { stored: value, hashes: null };
  if (isLookedUp && typeof value !== 'string') throw new EncryptedFieldError(cipher, field, 'it must be a text.');
  const keyring = cipher.keyring();
  const [stored, hashes] = await Promise.all([
    keyring.seal(place, value, encode),
    isLookedUp && typeof value === 'string' ? keyring.hashes(place, value) : null,
  ]);
  return { stored, hashes };
}

/** @throws {DecryptionError} */
export async function openValue(cipher: Cipher, field: string, sealed: string): Promise<unknown> {
  return decode(await cipher.keyring().open({ model: cipher.model, field }, sealed));
}

// Values are sealed as BSON, so that dates, ids and numbers in them come back as what they were.

function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(mongo.BSON.serialize({ v: value }));
}

function decode(bytes: Uint8Array): unknown {
  return mongo.BSON.deserialize(bytes)['v'];
}

/** A plain object, and no date, id or other value of BSON. */
export function isFields(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The encrypted field that a dotted path is or lies in. */
export function fieldAt(cipher: Cipher, path: string): string | undefined {
  const root = path.split('.', 1)[0] ?? path;
  return cipher.fields.has(root) ? root : undefined;
}
