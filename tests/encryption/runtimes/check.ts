import { createKeyring } from '../../../src/encryption/keyring.ts';

const PLACE = { model: 'Subscription', field: 'stripeCustomerId' };

/** Base64 of 32 bytes of 7. */
const KEY = { id: 'k1', key: 'BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=' };

/** What version 1 sealed once for that place under that key; it opens for ever. */
export const SEALED_ONCE = 'enc.1.k1.JWnRMU0w5nV_cIqt.H38WOv3Q9dwWN49Dyz-MyRYHYblQ2KE';

/** What this runtime makes of the same key, place and text. */
export async function check() {
  const ring = createKeyring([KEY]);
  const text = new TextEncoder().encode('cus_123');
  const sealed = String(await ring.seal(PLACE, text, (bytes) => bytes));
  const opened = async (value: string) => new TextDecoder().decode(await ring.open(PLACE, value));
  const refused = await ring.open({ ...PLACE, field: 'metadata' }, sealed).catch((error: unknown) => String(error));
  return {
    sealedOnce: await opened(SEALED_ONCE),
    sealedNow: await opened(sealed),
    hashes: await ring.hashes(PLACE, 'cus_123'),
    searchHashes: await ring.searchHashes(PLACE, 'cus_123'),
    refused: typeof refused === 'string',
  };
}
