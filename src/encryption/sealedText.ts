import { fromBase64, toBase64Url } from './base64url.ts';

/**
 * A sealed value as text: `enc.1.KEY-ID.NONCE.CIPHERTEXT`. It names its version and its key, so that whoever reads it
 * knows how; no part can hold a full stop.
 */
export interface Sealed {
  keyId: string;
  nonce: Uint8Array<ArrayBuffer>;
  /** With the tag behind it, as WebCrypto gives it. */
  ciphertext: Uint8Array<ArrayBuffer>;
}

const MARK = 'enc.';
const VERSION_1 = /^enc\.1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22,})$/;

/** Has this value the mark of a sealed one, whether or not it can be opened? */
export function isSealed(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(MARK);
}

export function formatSealed({ keyId, nonce, ciphertext }: Sealed): string {
  return `${MARK}1.${keyId}.${toBase64Url(nonce)}.${toBase64Url(ciphertext)}`;
}

/** Null for a text that {@link formatSealed} never made. */
export function parseSealed(text: string): Sealed | null {
  const [, keyId, nonce, ciphertext] = VERSION_1.exec(text) ?? [];
  if (keyId === undefined || nonce === undefined || ciphertext === undefined) return null;
  try {
    const parsed = { keyId, nonce: fromBase64(nonce), ciphertext: fromBase64(ciphertext) };
    // Base64 has several texts for the same bytes; only one of them was written here.
    return formatSealed(parsed) === text ? parsed : null;
  } catch {
    return null;
  }
}
