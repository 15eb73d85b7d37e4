import { mongo } from 'mongoose';
import { type Cipher, EncryptedFieldError, type Fields, fieldAt, isFields } from './cipher.ts';
import { openingAggregate, openingFind } from './cursors.ts';
import { openDocument, sealDocument } from './documents.ts';
import { sealFilter } from './filters.ts';
import { checkOptions } from './reads.ts';
import { sealUpdate } from './updates.ts';

/** Calls a method of the collection as the driver has it. */
export type Native = (name: string, ...args: unknown[]) => unknown;

type Method = (...args: unknown[]) => unknown;

/** Asks for nothing: a cursor has it until its own filter has been sealed. */
const NOTHING = { _id: { $in: [] } };

/** Every method of a collection that carries documents, filters or updates, with the same arguments and results. */
export function overridesOf(cipher: Cipher, native: Native): Record<string, Method> {
  const filtered = (name: string) => async (filter: unknown, options: unknown) => {
    checkOptions(cipher, options);
    return native(name, await sealFilter(cipher, filter), options);
  };
  const updating = (name: string) => async (filter: unknown, update: unknown, options: unknown) => {
    checkOptions(cipher, options);
    const sealed = await sealUpdate(cipher, filter, update, isUpsert(options));
    return native(name, await sealFilter(cipher, filter), sealed, options);
  };
  const replacing = (name: string) => async (filter: unknown, replacement: unknown, options: unknown) => {
    checkOptions(cipher, options);
    return native(name, await sealFilter(cipher, filter), await sealed(cipher, replacement), options);
  };
  const opened =
    (method: Method) =>
    async (...args: unknown[]) => {
      const answer = await method(...args);
      return openDocument(cipher, answer);
    };
  return {
    insertOne: async (document, options) => native('insertOne', await sealed(cipher, document), options),
    insertMany: async (documents, options) => {
      if (!Array.isArray(documents)) return native('insertMany', documents, options);
      return native('insertMany', await Promise.all(documents.map((each) => sealed(cipher, each))), options);
    },
    bulkWrite: async (writes, options) => {
      if (!Array.isArray(writes)) return native('bulkWrite', writes, options);
      return native('bulkWrite', await Promise.all(writes.map((write) => sealWrite(cipher, write))), options);
    },
    updateOne: updating('updateOne'),
    updateMany: updating('updateMany'),
    replaceOne: replacing('replaceOne'),
    deleteOne: filtered('deleteOne'),
    deleteMany: filtered('deleteMany'),
    count: filtered('count'),
    countDocuments: filtered('countDocuments'),
    findOne: opened(filtered('findOne')),
    findOneAndDelete: opened(filtered('findOneAndDelete')),
    findOneAndReplace: opened(replacing('findOneAndReplace')),
    findOneAndUpdate: opened(updating('findOneAndUpdate')),
    distinct: async (path, filter, options) => {
      const field = fieldAt(cipher, String(path));
      if (field !== undefined) throw new EncryptedFieldError(cipher, field, 'every ciphertext is distinct.');
      return native('distinct', path, await sealFilter(cipher, filter), options);
    },
    find: (filter, options) => {
      checkOptions(cipher, options);
      return openingFind(cipher, filter, () => findCursor(native('find', NOTHING, options)));
    },
    aggregate: (pipeline, options) =>
      openingAggregate(cipher, Array.isArray(pipeline) ? pipeline : [], (stages) =>
        aggregationCursor(native('aggregate', stages, options)),
      ),
    watch: refused(cipher, 'a change stream'),
    initializeOrderedBulkOp: refused(cipher, 'the old bulk interface'),
    initializeUnorderedBulkOp: refused(cipher, 'the old bulk interface'),
  };
}

async function sealed(cipher: Cipher, document: unknown): Promise<unknown> {
  const fields = asStored(document);
  if (!isFields(fields)) throw new TypeError(`A ${cipher.model} must be an object`);
  return sealDocument(cipher, fields);
}

/** In bulk writes Mongoose hands on documents of its own; the driver would store what their `toBSON` gives, and so do we. */
function asStored(document: unknown): unknown {
  if (typeof document !== 'object' || document === null || !('toBSON' in document)) return document;
  return typeof document.toBSON === 'function' ? document.toBSON() : document;
}

/** One write of many: `{insertOne: {document}}`, `{updateOne: {filter, update, upsert}}` and so on. */
async function sealWrite(cipher: Cipher, write: unknown): Promise<unknown> {
  if (!isFields(write)) return write;
  const entries = await Promise.all(
    Object.entries(write).map(async ([name, body]) => [name, isFields(body) ? await sealBody(cipher, body) : body]),
  );
  return Object.fromEntries(entries);
}

async function sealBody(cipher: Cipher, body: Fields): Promise<Fields> {
  const { document, filter, update, replacement } = body;
  checkOptions(cipher, body);
  return {
    ...body,
    ...('document' in body && { document: await sealed(cipher, document) }),
    ...('filter' in body && { filter: await sealFilter(cipher, filter) }),
    ...('update' in body && { update: await sealUpdate(cipher, filter, update, isUpsert(body)) }),
    ...('replacement' in body && { replacement: await sealed(cipher, replacement) }),
  };
}

function isUpsert(options: unknown): boolean {
  return isFields(options) && options['upsert'] === true;
}

function refused(cipher: Cipher, what: string): Method {
  return () => {
    const [field = ''] = cipher.fields.keys();
    throw new EncryptedFieldError(cipher, field, `${what} of its collection would show ciphertext.`);
  };
}

function findCursor(made: unknown): mongo.FindCursor<unknown> {
  if (made instanceof mongo.FindCursor) return made;
  throw notConnected();
}

function aggregationCursor(made: unknown): mongo.AggregationCursor<unknown> {
  if (made instanceof mongo.AggregationCursor) return made;
  throw notConnected();
}

/** Mongoose gives a promise instead of a cursor while it keeps commands in a buffer. */
function notConnected(): Error {
  return new mongo.MongoNotConnectedError('Connect before a cursor is opened: await connectDB()');
}
