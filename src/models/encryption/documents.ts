import { isSealed, parseSealed } from '../../encryption/sealedText.ts';
import {
  BOOKKEEPING,
  type Cipher,
  EncryptedFieldError,
  type Fields,
  isFields,
  openValue,
  sealValue,
} from './cipher.ts';

/** A whole document as it is stored. */
export async function sealDocument(cipher: Cipher, document: Fields): Promise<Fields> {
  const lookup: Fields = {};
  const sealed = await Promise.all(
    [...cipher.fields.keys()]
      .filter((field) => field in document)
      .map(async (field) => {
        const { stored, hashes } = await sealValue(cipher, field, document[field]);
        if (hashes) lookup[field] = hashes;
        return [field, stored] as const;
      }),
  );
  const bookkeeping = { keys: [cipher.keyring().newest], lookup };
  return { ...document, ...Object.fromEntries(sealed), [BOOKKEEPING]: bookkeeping };
}

/**
 * What came from the database as it was written. What lies deeper, as a pipeline may leave it, is opened by the name of its
 * field.
 *
 * @throws {DecryptionError}
 */
export async function openDocument(cipher: Cipher, value: unknown): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((item) => openDocument(cipher, item)));
  if (!isFields(value)) return value;
  const opened = await Promise.all(
    Object.entries(value)
      .filter(([name]) => name !== BOOKKEEPING)
      .map(async ([name, field]) => [name, await openField(cipher, name, field)] as const),
  );
  return Object.fromEntries(opened);
}

function openField(cipher: Cipher, name: string, value: unknown): unknown {
  if (cipher.fields.has(name)) return isSealed(value) ? openValue(cipher, name, value) : value;
  if (typeof value === 'string' && parseSealed(value)) {
    throw new EncryptedFieldError(cipher, name, 'an encrypted value keeps its name; select it as it is called.');
  }
  return openDocument(cipher, value);
}
