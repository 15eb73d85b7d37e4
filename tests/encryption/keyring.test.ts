import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecryptionError } from '@/encryption/errors.ts';
import { createKeyring, type Keyring, type Place } from '@/encryption/keyring.ts';
import { isSealed, parseSealed } from '@/encryption/sealedText.ts';

const place: Place = { model: 'Subscription', field: 'stripeCustomerId' };
const elsewhere: Place = { model: 'Subscription', field: 'stripeSubscriptionId' };
const key = (id: string, fill = id.charCodeAt(1)) => ({ id, key: Buffer.alloc(32, fill).toString('base64') });
const [k1, k2, k3] = [key('k1'), key('k2'), key('k3')];

const asIs = (bytes: Uint8Array<ArrayBuffer>) => bytes;
const anyBytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes));

async function seal(ring: Keyring, bytes: Uint8Array<ArrayBuffer>, at = place): Promise<string> {
  const sealed = await ring.seal(at, bytes, asIs);
  if (typeof sealed === 'string') return sealed;
  throw new Error('This ring has no key');
}

async function failure(opening: Promise<unknown>): Promise<DecryptionError> {
  const error = await opening.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof DecryptionError) return error;
  throw new Error(`A DecryptionError was expected, not ${String(error)}`);
}

describe('a sealed value', () => {
  it('opens to what was sealed, whatever that is', async () => {
    const ring = createKeyring([k1]);
    await fc.assert(
      fc.asyncProperty(anyBytes, async (bytes) => {
        expect(await ring.open(place, await seal(ring, bytes))).toEqual(bytes);
      }),
    );
  });

  it('opens also when it is large', async () => {
    const ring = createKeyring([k1]);
    const bytes = new Uint8Array(300_000).fill(7);

    expect(await ring.open(place, await seal(ring, bytes))).toEqual(bytes);
  });

  it('says its version and key, and nothing of its content', async () => {
    const text = 'cus_NffrFeUfNV2Hib';
    const sealed = await seal(createKeyring([k1]), new TextEncoder().encode(text));

    expect(sealed).toMatch(/^enc\.1\.k1\.[\w-]{16}\.[\w-]+$/);
    expect(isSealed(sealed)).toBe(true);
    expect(sealed).not.toContain(text);
    expect(Buffer.from(sealed.split('.')[4] ?? '', 'base64url').toString('latin1')).not.toContain('cus_');
  });

  it('is another one each time', async () => {
    const ring = createKeyring([k1]);
    const sealed = await Promise.all(Array.from({ length: 500 }, () => seal(ring, new Uint8Array(8))));

    expect(new Set(sealed.map((text) => text.split('.')[3])).size).toBe(500);
  });

  it('is refused in another field and in another model', async () => {
    const ring = createKeyring([k1]);
    const sealed = await seal(ring, new Uint8Array(4));

    expect((await failure(ring.open(elsewhere, sealed))).reason).toBe('not_authentic');
    expect((await failure(ring.open({ ...place, model: 'User' }, sealed))).reason).toBe('not_authentic');
  });

  it('is refused when any character of it is another one', async () => {
    const ring = createKeyring([k1]);
    await fc.assert(
      fc.asyncProperty(anyBytes, fc.nat(), fc.constantFrom(...'AZaz09-_.'), async (bytes, at, character) => {
        const sealed = await seal(ring, bytes);
        const index = at % sealed.length;
        const changed = sealed.slice(0, index) + character + sealed.slice(index + 1);
        fc.pre(changed !== sealed);
        await failure(ring.open(place, changed));
      }),
    );
  });

  it('is refused when it is cut or made longer', async () => {
    const ring = createKeyring([k1]);
    const sealed = await seal(ring, new Uint8Array(9));
    for (let length = 0; length < sealed.length; length += 1) await failure(ring.open(place, sealed.slice(0, length)));
    for (const more of ['A', 'AA', 'AAAA', '.']) await failure(ring.open(place, sealed + more));
  });

  it('is refused, naming the key, by a ring that has not its key: it is safe to repeat elsewhere', async () => {
    const sealed = await seal(createKeyring([k1]), new Uint8Array(4));
    const error = await failure(createKeyring([k2]).open(place, sealed));

    expect(error).toMatchObject({ code: 'unavailable', reason: 'unknown_key' });
    expect(error.message).toContain('k1');
    expect((await failure(createKeyring([]).open(place, sealed))).reason).toBe('unknown_key');
  });

  it('is refused by another key under the same id', async () => {
    const sealed = await seal(createKeyring([k1]), new Uint8Array(4));
    const error = await failure(createKeyring([key('k1', 99)]).open(place, sealed));

    expect(error).toMatchObject({ code: 'internal', reason: 'not_authentic' });
  });

  it('is refused without a word of what it holds, or of the key', async () => {
    const secret = 'cus_NffrFeUfNV2Hib';
    const sealed = await seal(createKeyring([k1]), new TextEncoder().encode(secret));
    const refusals = [createKeyring([k2]).open(place, sealed), createKeyring([k1]).open(elsewhere, sealed)];
    for (const opening of refusals) {
      const { message, stack } = await failure(opening);
      expect(`${message} ${stack}`).not.toContain(secret);
      expect(message).not.toContain(k1.key);
      expect(message).not.toContain(sealed.split('.')[4]);
    }
  });
});

describe('a ring', () => {
  it('seals with its first key and opens with all of them', async () => {
    const old = await seal(createKeyring([k1]), new Uint8Array([1]));
    const ring = createKeyring([k2, k1]);
    const fresh = await seal(ring, new Uint8Array([2]));

    expect(ring.newest).toBe('k2');
    expect(parseSealed(fresh)?.keyId).toBe('k2');
    expect([await ring.open(place, old), await ring.open(place, fresh)]).toEqual([
      new Uint8Array([1]),
      new Uint8Array([2]),
    ]);
  });

  it('leaves values in the clear when it is empty, but none that would read as sealed', async () => {
    const ring = createKeyring([]);

    expect(await ring.seal(place, 'cus_1', () => new Uint8Array())).toBe('cus_1');
    await expect(ring.seal(place, 'enc.1.k1.x', () => new Uint8Array())).rejects.toThrow(RangeError);
  });

  it('refuses a key that has not 32 bytes', () => {
    expect(() => createKeyring([{ id: 'k1', key: Buffer.alloc(31).toString('base64') }])).toThrow(RangeError);
  });
});

describe('a hash', () => {
  const overlap = (one: string[], other: string[]) => one.filter((hash) => other.includes(hash)).length;

  it('is the same for the same text, and another one for every other text, field, model and key', async () => {
    const ring = createKeyring([k1]);
    const [hash] = await ring.hashes(place, 'cus_1');

    expect(await createKeyring([k1]).hashes(place, 'cus_1')).toEqual([hash]);
    for (const other of [
      ring.hashes(place, 'cus_2'),
      ring.hashes(elsewhere, 'cus_1'),
      ring.hashes({ ...place, model: 'User' }, 'cus_1'),
      createKeyring([k2]).hashes(place, 'cus_1'),
      createKeyring([key('k1', 99)]).hashes(place, 'cus_1'),
      createKeyring([]).hashes(place, 'cus_1'),
    ]) {
      expect(await other).not.toContain(hash);
    }
  });

  it('finds what any ring has stored that shares a key, in either direction, and what was stored before there were keys', async () => {
    const rings = [[], [k1], [k1, k2], [k2, k1], [k2], [k3]].map((keys) => ({ keys, ring: createKeyring(keys) }));
    for (const stored of rings) {
      for (const searching of rings) {
        const shared = searching.keys.some((one) => stored.keys.includes(one)) || stored.keys.length === 0;
        const found = overlap(
          await stored.ring.hashes(place, 'cus_1'),
          await searching.ring.searchHashes(place, 'cus_1'),
        );
        expect(found > 0).toBe(shared);
      }
    }
  });

  it('of two rings that share a key has something in common, so that one unique index holds while keys rotate', async () => {
    const before = await createKeyring([k1, k2]).hashes(place, 'sub_1');

    expect(overlap(before, await createKeyring([k2, k1]).hashes(place, 'sub_1'))).toBe(2);
    expect(overlap(before, await createKeyring([k1]).hashes(place, 'sub_1'))).toBe(1);
  });
});
