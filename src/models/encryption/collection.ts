import { type Collection, mongo } from 'mongoose';
import type { Cipher } from './cipher.ts';
import { type Native, overridesOf } from './commands.ts';

const encrypted = new WeakMap<Collection, Cipher>();

/**
 * From now on everything that goes through this collection is encrypted on its way in and decrypted on its way out. Mongoose
 * sends every command of a model through its collection, so documents, lean results, populated ones and cursors are covered
 * alike, and a document in memory is never anything but plaintext.
 */
export function encryptCollection(collection: Collection, cipher: Cipher): void {
  if (encrypted.has(collection)) return;
  encrypted.set(collection, cipher);
  const overrides = overridesOf(cipher, nativeCalls(collection));
  for (const [name, value] of Object.entries(overrides)) {
    Object.defineProperty(collection, name, { value, configurable: true, writable: true });
  }
}

/** Whether anything of this collection is encrypted. */
export function isEncrypted(collection: Collection): boolean {
  return encrypted.has(collection);
}

/**
 * For statements that have to see or write ciphertext: the driver's own collection, which encrypts nothing by itself, and what
 * seals and opens its documents (`sealDocument`, `openDocument`).
 *
 * @throws {Error} before the connection stands
 */
export function sealedCollection(collection: Collection): { raw: mongo.Collection; cipher: Cipher } {
  const cipher = encrypted.get(collection);
  const raw = collection.conn.db?.collection(collection.collectionName);
  if (!cipher || !raw) throw new Error(`${collection.collectionName} is not encrypted, or not connected yet`);
  return { raw, cipher };
}

/**
 * The collection as its class made it. Calls go to an object that has none of our overrides: a command that Mongoose buffers
 * calls itself again when the connection stands, and must not be sealed twice.
 */
function nativeCalls(collection: Collection): Native {
  const prototype: object = Object.getPrototypeOf(collection);
  const natives = Object.fromEntries(
    Object.getOwnPropertyNames(mongo.Collection.prototype)
      .filter((name) => name !== 'constructor' && name in prototype)
      .map((name) => [name, Object.getOwnPropertyDescriptor(prototype, name)])
      .filter((entry): entry is [string, PropertyDescriptor] => typeof entry[1] === 'object'),
  );
  return (name, ...args) => {
    const native: object = Object.create(collection, natives);
    return Reflect.apply(Reflect.get(native, name), native, args);
  };
}
