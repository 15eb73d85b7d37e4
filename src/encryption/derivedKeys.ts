import { fromBase64 } from './base64url.ts';
import type { KeyMaterial, Place } from './keyring.ts';

export interface KeySource {
  id: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** What one key of the ring is used as. The key itself is used for nothing but to derive these. */
export interface DerivedKeys {
  id: string;
  sealing(): Promise<CryptoKey>;
  hash(place: Place, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

const KEY_BYTES = 32;

/**
 * HKDF with SHA-256 (RFC 5869) makes a key of its own for each purpose, and for hashing one for each field: equal values in
 * two fields have different hashes. The salt may be empty, as the source is uniformly random (section 3.1).
 *
 * @throws {RangeError} when the key has not 32 bytes
 */
export function derivedKeys(source: KeyMaterial | KeySource): DerivedKeys {
  const bytes = 'bytes' in source ? source.bytes : fromBase64(source.key);
  if (bytes.length !== KEY_BYTES) throw new RangeError(`The key ${source.id} must have ${KEY_BYTES} bytes`);
  const base = once(() => crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey']));
  const hashing = new Map<string, () => Promise<CryptoKey>>();

  async function derive(purpose: string, algorithm: AesDerivedKeyParams | HmacImportParams, uses: KeyUsage[]) {
    const parameters = {
      name: 'HKDF',
      hash: 'SHA-256',
      salt: new Uint8Array(),
      info: new TextEncoder().encode(`artifex/1/${purpose}`),
    };
    return crypto.subtle.deriveKey(parameters, await base(), algorithm, false, uses);
  }

  function hashingKey({ model, field }: Place): Promise<CryptoKey> {
    const purpose = `lookup/${model}.${field}`;
    let key = hashing.get(purpose);
    if (!key) {
      key = once(() => derive(purpose, { name: 'HMAC', hash: 'SHA-256', length: 256 }, ['sign']));
      hashing.set(purpose, key);
    }
    return key();
  }

  return {
    id: source.id,
    sealing: once(() => derive('seal', { name: 'AES-GCM', length: 256 }, ['encrypt', 'decrypt'])),
    async hash(place, text) {
      return new Uint8Array(await crypto.subtle.sign('HMAC', await hashingKey(place), text));
    },
  };
}

/** The same promise for every caller. */
function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
