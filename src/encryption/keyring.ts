import { toBase64Url } from './base64url.ts';
import { derivedKeys, type KeySource } from './derivedKeys.ts';
import { DecryptionError } from './errors.ts';
import { formatSealed, isSealed, parseSealed } from './sealedText.ts';

/** Where a value stands: it cannot be opened anywhere else. */
export interface Place {
  model: string;
  field: string;
}

/** A key as the environment gives it: base64 of 32 bytes. */
export interface KeyMaterial {
  readonly id: string;
  readonly key: string;
}

/** The id under which data in the clear is counted; no key can have it. */
export const CLEAR = '(clear)';

export interface Keyring {
  /** The id under which values are stored now: the first key's, or {@link CLEAR}. */
  readonly newest: string;
  /** The ids of all keys, the newest first. */
  readonly ids: readonly string[];
  /**
   * Encrypts with the first key, or gives the value back where there is none.
   *
   * @throws {RangeError} without keys, for a text that would read as a sealed one
   */
  seal<Value>(place: Place, value: Value, encode: (value: Value) => Uint8Array<ArrayBuffer>): Promise<string | Value>;
  /** @throws {DecryptionError} when it cannot be opened here */
  open(place: Place, sealed: string): Promise<Uint8Array<ArrayBuffer>>;
  /** What is stored beside a value so that it can be found: its hash under every key, so that one value is unique under all. */
  hashes(place: Place, text: string): Promise<string[]>;
  /** What a value may be found by: also as one that was stored before there were keys. */
  searchHashes(place: Place, text: string): Promise<string[]>;
}

/** NIST SP 800-38D, section 8.2.2: a random nonce of 96 bits, for at most 2^32 values of one key. */
const NONCE_BYTES = 12;

/** Not secret: data in the clear is found by a hash as well, so that there is one kind of query and one index. */
const CLEAR_SOURCE: KeySource = { id: CLEAR, bytes: new Uint8Array(32) };

/**
 * Seals with AES-256-GCM and hashes with HMAC-SHA-256, both of WebCrypto, which every runtime has. The first key seals; all
 * of them open. An empty list is a ring that leaves everything in the clear.
 */
export function createKeyring(materials: readonly KeyMaterial[]): Keyring {
  const keys = materials.map((material) => derivedKeys(material));
  const [first] = keys;
  const clear = derivedKeys(CLEAR_SOURCE);
  const hashing = first ? keys : [clear];
  const searching = first ? [...keys, clear] : hashing;

  const hashesBy = (ring: typeof keys) => (place: Place, text: string) =>
    Promise.all(ring.map(async ({ hash }) => toBase64Url(await hash(place, new TextEncoder().encode(text)))));

  return {
    newest: first?.id ?? CLEAR,
    ids: keys.map(({ id }) => id),
    async seal(place, value, encode) {
      if (!first) {
        if (isSealed(value)) throw new RangeError(`${nameOf(place)} must not begin like an encrypted value`);
        return value;
      }
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const parameters = { name: 'AES-GCM', iv: nonce, additionalData: contextOf(place, first.id) };
      const ciphertext = await crypto.subtle.encrypt(parameters, await first.sealing(), encode(value));
      return formatSealed({ keyId: first.id, nonce, ciphertext: new Uint8Array(ciphertext) });
    },
    async open(place, text) {
      const sealed = parseSealed(text);
      if (!sealed) throw new DecryptionError('malformed', `${nameOf(place)} is no encrypted value of a known form.`);
      const { keyId, nonce, ciphertext } = sealed;
      const key = keys.find(({ id }) => id === keyId);
      if (!key) {
        throw new DecryptionError(
          'unknown_key',
          `${nameOf(place)} is encrypted under the key ${keyId}, which is not in FIELD_ENCRYPTION_KEYS. Add it there.`,
        );
      }
      const parameters = { name: 'AES-GCM', iv: nonce, additionalData: contextOf(place, keyId) };
      try {
        return new Uint8Array(await crypto.subtle.decrypt(parameters, await key.sealing(), ciphertext));
      } catch {
        throw new DecryptionError(
          'not_authentic',
          `${nameOf(place)} is not what the key ${keyId} encrypted there: it was changed or moved, or the key is another one.`,
        );
      }
    },
    hashes: hashesBy(hashing),
    searchHashes: hashesBy(searching),
  };
}

/** What the tag of a value covers besides: the value cannot be moved to another place, nor said to be of another key. */
function contextOf({ model, field }: Place, keyId: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(['artifex', 1, keyId, model, field]));
}

function nameOf({ model, field }: Place): string {
  return `${model}.${field}`;
}
