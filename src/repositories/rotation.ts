import { mongo } from 'mongoose';
import { DecryptionError } from '../encryption/errors.ts';
import { CLEAR } from '../encryption/keyring.ts';
import { BOOKKEEPING, type Cipher, type Fields, isFields, KEYS_PATH } from '../models/encryption/cipher.ts';
import { isEncrypted, sealedCollection } from '../models/encryption/collection.ts';
import { openDocument, sealDocument } from '../models/encryption/documents.ts';
import type { Store } from '../models/store.ts';

export interface Rotation {
  /** The key under which everything is to be. */
  newest: string;
  /** Documents that this run has encrypted anew. */
  rotated: number;
  /** Documents that could not be, and why. They are as they were. */
  refused: { model: string; id: string; reason: string }[];
  /** What is not under the newest key after all: how many documents by the key that they still need. */
  remaining: Map<string, number>;
}

/** Documents that are read, sealed and written in one round. */
const BATCH = 100;

/** After so many rounds over what others have changed meanwhile, the rest is left to the next run. */
const MOST_PASSES = 10;

/**
 * Encrypts under the newest key every document of every model with encrypted fields, deleted or not, that has a value under an older key
 * or in the clear. Each is changed by one write that is guarded by all that was read, so it undoes nothing beside a running server, and it
 * may be cut off anywhere and be run by several at once: what is done carries the newest key's mark and is not looked at again.
 *
 * @param onProgress told of the number that has been done
 * @throws {RangeError} without any key
 */
export async function rotateEncryption(store: Store, onProgress: (rotated: number) => void): Promise<Rotation> {
  const encrypted = Object.values(store.models)
    .map(({ collection }) => collection)
    .filter(isEncrypted)
    .map(sealedCollection);
  const newest = encrypted[0]?.cipher.keyring().newest ?? CLEAR;
  if (newest === CLEAR) throw new RangeError('FIELD_ENCRYPTION_KEYS is not set: there is no key to encrypt with');
  const total: Rotation = { newest, rotated: 0, refused: [], remaining: new Map() };
  for (const { raw, cipher } of encrypted) {
    const refused = new Map<string, string>();
    await rotateCollection(raw, cipher, refused, (rotated) => {
      total.rotated += rotated;
      onProgress(total.rotated);
    });
    total.refused.push(...[...refused].map(([id, reason]) => ({ model: cipher.model, id, reason })));
    for (const [key, count] of await remainingIn(raw, newest)) {
      total.remaining.set(key, (total.remaining.get(key) ?? 0) + count);
    }
  }
  return total;
}

async function rotateCollection(
  raw: mongo.Collection,
  cipher: Cipher,
  refused: Map<string, string>,
  onBatch: (rotated: number) => void,
): Promise<void> {
  for (let pass = 0; pass < MOST_PASSES; pass += 1) {
    let overtaken = 0;
    for await (const batch of staleBatches(raw, cipher)) {
      const done = await rotateBatch(raw, cipher, batch, refused);
      overtaken += done.overtaken;
      onBatch(done.rotated);
    }
    if (overtaken === 0) return;
  }
}

async function* staleBatches(raw: mongo.Collection, cipher: Cipher): AsyncGenerator<mongo.Document[]> {
  const { newest } = cipher.keyring();
  const others = await otherKeys(raw, newest);
  const projection = Object.fromEntries([...cipher.fields.keys(), BOOKKEEPING].map((field) => [field, 1]));
  // Null finds those that carry no mark at all.
  const stale = raw.find({ [KEYS_PATH]: { $in: [...others, null] } }, { projection, batchSize: BATCH });
  let batch: mongo.Document[] = [];
  for await (const document of stale) {
    batch.push(document);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function rotateBatch(
  raw: mongo.Collection,
  cipher: Cipher,
  batch: readonly mongo.Document[],
  refused: Map<string, string>,
): Promise<{ rotated: number; overtaken: number }> {
  const prepared = await Promise.all(
    batch.map(async (document) => {
      try {
        return await guardedWrite(cipher, document);
      } catch (error) {
        if (!(error instanceof DecryptionError)) throw error;
        refused.set(String(document['_id']), error.message);
        return null;
      }
    }),
  );
  const writes = prepared.filter((write) => write !== null);
  if (writes.length === 0) return { rotated: 0, overtaken: 0 };
  const { matchedCount, conflicts } = await written(raw, cipher, writes);
  for (const [index, reason] of conflicts) {
    const write = writes[index];
    if (write) refused.set(String(write.updateOne.filter['_id']), reason);
  }
  return { rotated: matchedCount, overtaken: writes.length - matchedCount - conflicts.length };
}

/** The one write that seals a document anew, unless anything of what is sealed was changed since it was read. */
async function guardedWrite(cipher: Cipher, document: mongo.Document) {
  const fields = [...cipher.fields.keys()].filter((field) => field in document);
  const read = Object.fromEntries(fields.map((field) => [field, document[field]]));
  const opened = await openDocument(cipher, read);
  const sealed: Fields = await sealDocument(cipher, isFields(opened) ? opened : {});
  const asRead = [...cipher.fields.keys(), BOOKKEEPING].map((field) => [
    field,
    field in document ? { $eq: document[field] } : { $exists: false },
  ]);
  return {
    updateOne: { filter: { _id: document['_id'], ...Object.fromEntries(asRead) }, update: { $set: sealed } },
  };
}

type GuardedWrite = Awaited<ReturnType<typeof guardedWrite>>;

/** Each write stands for itself: one that meets a unique key does not hold up the others. */
async function written(raw: mongo.Collection, cipher: Cipher, writes: readonly GuardedWrite[]) {
  try {
    const { matchedCount } = await raw.bulkWrite([...writes], { ordered: false });
    return { matchedCount, conflicts: [] };
  } catch (error) {
    if (!(error instanceof mongo.MongoBulkWriteError)) throw error;
    const conflicts = [error.writeErrors].flat().map(({ index, code }) => {
      if (code !== DUPLICATE_KEY) throw error;
      return [index, `Another ${cipher.model} has the same in a field that is unique. Remove one of the two.`] as const;
    });
    return { matchedCount: error.matchedCount, conflicts };
  }
}

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const DUPLICATE_KEY = 11000;

async function otherKeys(raw: mongo.Collection, newest: string): Promise<string[]> {
  const keys = await raw.distinct(KEYS_PATH);
  return keys.map(String).filter((key) => key !== newest);
}

async function remainingIn(raw: mongo.Collection, newest: string): Promise<Map<string, number>> {
  const remaining = new Map<string, number>();
  for (const key of await otherKeys(raw, newest)) remaining.set(key, await raw.countDocuments({ [KEYS_PATH]: key }));
  const unmarked = await raw.countDocuments({ [KEYS_PATH]: null });
  if (unmarked > 0) remaining.set(CLEAR, (remaining.get(CLEAR) ?? 0) + unmarked);
  return remaining;
}
