import { decodeDocument } from '../bson/decode.ts';
import { BsonWriter, encodeDocument } from '../bson/encode.ts';
import { Binary, Doc } from '../bson/values.ts';
import { type IndexSpec, parseIndexSpec } from '../indexes/spec.ts';
import type { Collection } from './collection.ts';
import type { Store } from './database.ts';
import type { History } from './history.ts';

const PUT = 1;
const REMOVE = 2;
const CREATE_COLLECTION = 3;
const DROP_COLLECTION = 4;
const ALTER_COLLECTION = 5;
const CREATE_INDEX = 6;
const DROP_INDEX = 7;
const RETRY = 8;
const COMPLETE = 9;
/** Like PUT, of a document that took the place of another as a whole. */
const REPLACE = 10;
/** The time of the operation after it; each further one counts on, or in a transaction has the same. */
const TIME = 11;
const DROP_DATABASE = 12;
const ALTER_INDEX = 20;

/** A remembered reply of a retryable write. */
export interface RetryEntry {
  readonly session: string;
  readonly number: bigint;
  readonly reply: Doc;
  /** It is the commit of a transaction of this number. */
  readonly transaction?: boolean;
}

/** Writes changes into the payload of a record: what happened, with whole documents, so that replaying is idempotent. */
export class OperationWriter {
  private readonly writer = new BsonWriter(64 * 1024);

  get size(): number {
    return this.writer.at;
  }

  /** The payload so far; the writer starts over. */
  take(): Buffer {
    const payload = this.writer.finish();
    this.writer.at = 0;
    return payload;
  }

  private recordId(recordId: number): void {
    this.writer.reserve(6);
    this.writer.at = this.writer.bytes.writeUIntLE(recordId, this.writer.at, 6);
  }

  put(collectionId: number, recordId: number, doc: Doc, replaces = false): void {
    this.writer.byte(replaces ? REPLACE : PUT);
    this.writer.int32(collectionId);
    this.recordId(recordId);
    this.writer.raw(encodeDocument(doc));
  }

  remove(collectionId: number, recordId: number): void {
    this.writer.byte(REMOVE);
    this.writer.int32(collectionId);
    this.recordId(recordId);
  }

  private description(kind: number, collection: Collection, replaced?: number): void {
    this.writer.byte(kind);
    this.writer.int32(collection.id);
    const { namespace: ns, options, uuid } = collection;
    this.writer.document(Doc.of({ ns, options, uuid, replaced }));
  }

  createCollection(collection: Collection): void {
    this.description(CREATE_COLLECTION, collection);
  }

  alterCollection(collection: Collection, replaced?: number): void {
    this.description(ALTER_COLLECTION, collection, replaced);
  }

  dropCollection(collectionId: number): void {
    this.writer.byte(DROP_COLLECTION);
    this.writer.int32(collectionId);
  }

  createIndex(collectionId: number, spec: IndexSpec): void {
    this.writer.byte(CREATE_INDEX);
    this.writer.int32(collectionId);
    this.writer.document(spec.document);
  }

  dropIndex(collectionId: number, name: string): void {
    this.writer.byte(DROP_INDEX);
    this.writer.int32(collectionId);
    this.writer.document(Doc.of({ name }));
  }

  alterIndex(collectionId: number, spec: IndexSpec, change: Doc): void {
    this.writer.byte(ALTER_INDEX);
    this.writer.int32(collectionId);
    this.writer.document(Doc.of({ spec: spec.document, change }));
  }

  retry({ session, number, reply, transaction }: RetryEntry): void {
    this.writer.byte(RETRY);
    const id = new Binary(Buffer.from(session, 'latin1'));
    this.writer.document(Doc.of({ session: id, number, reply, transaction: transaction === true ? true : undefined }));
  }

  time(seconds: number, increment: number, wallMs: number, whole: boolean): void {
    this.writer.byte(TIME);
    this.writer.reserve(15);
    const { bytes } = this.writer;
    this.writer.at = bytes.writeUInt32LE(seconds, this.writer.at);
    this.writer.at = bytes.writeUInt32LE(increment, this.writer.at);
    this.writer.at = bytes.writeUIntLE(wallMs, this.writer.at, 6);
    this.writer.at = bytes.writeUInt8(whole ? 1 : 0, this.writer.at);
  }

  dropDatabase(name: string): void {
    this.writer.byte(DROP_DATABASE);
    this.writer.document(Doc.of({ name }));
  }

  complete(): void {
    this.writer.byte(COMPLETE);
  }
}

/** Applies the operations of a payload to the store; what replays a snapshot learns whether it was complete. */
export function replay(
  payload: Buffer,
  store: Store,
  history: History,
  onRetry: (entry: RetryEntry) => void,
): { complete: boolean } {
  let at = 0;
  let complete = false;
  let committed: RetryEntry | undefined;
  const document = (): Doc => {
    const length = payload.readInt32LE(at);
    // The record's buffer is large and short-lived; the document keeps bytes of its own.
    const doc = decodeDocument(Buffer.from(payload.subarray(at, at + length)), 0, length, true);
    at += length;
    return doc;
  };
  const int32 = (): number => {
    at += 4;
    return payload.readInt32LE(at - 4);
  };
  const recordId = (): number => {
    at += 6;
    return payload.readUIntLE(at - 6, 6);
  };
  while (at < payload.length) {
    const kind = payload[at++];
    switch (kind) {
      case PUT:
      case REPLACE:
      case REMOVE: {
        const collection = store.withId(int32());
        const id = recordId();
        const doc = kind === REMOVE ? undefined : document();
        const before = collection?.records.get(id);
        collection?.restore(id, doc);
        if (collection === undefined) break;
        if (doc !== undefined) history.put(collection, id, doc, before, kind === REPLACE);
        else if (before !== undefined) history.remove(collection, id, before);
        break;
      }
      case CREATE_COLLECTION: {
        const id = int32();
        const described = document();
        history.createCollection(
          store.adopt(id, String(described.get('ns')), optionsOf(described), described.get('uuid') as Binary),
        );
        break;
      }
      case ALTER_COLLECTION: {
        const collection = store.withId(int32());
        const described = document();
        if (collection === undefined) break;
        const gone = described.get('replaced');
        const replaced = typeof gone === 'number' ? store.withId(gone) : undefined;
        if (replaced !== undefined) store.forget(replaced);
        const before = { namespace: collection.namespace, options: collection.options, replaced };
        store.restoreDescription(collection, String(described.get('ns')), optionsOf(described));
        history.alterCollection(collection, before);
        break;
      }
      case DROP_COLLECTION: {
        const collection = store.withId(int32());
        if (collection === undefined) break;
        store.forget(collection);
        history.dropCollection(collection);
        break;
      }
      case CREATE_INDEX: {
        const collection = store.withId(int32());
        const spec = parseIndexSpec(document());
        if (collection === undefined) break;
        if (collection.indexes.every((index) => index.spec.name !== spec.name)) collection.buildIndex(spec);
        history.createIndex(collection, spec);
        break;
      }
      case DROP_INDEX: {
        const collection = store.withId(int32());
        const name = document().get('name');
        const index = collection?.indexes.find(({ spec }) => spec.name === name);
        if (collection === undefined || index === undefined) break;
        collection.indexes = collection.indexes.filter((other) => other !== index);
        history.dropIndex(collection, index.spec);
        break;
      }
      case ALTER_INDEX: {
        const collection = store.withId(int32());
        const altered = document();
        const spec = parseIndexSpec(altered.get('spec') as Doc);
        const index = collection?.indexes.find((other) => other.spec.name === spec.name);
        if (collection === undefined || index === undefined) break;
        collection.respecify(index, spec);
        history.alterIndex(collection, spec, altered.get('change') as Doc);
        break;
      }
      case RETRY: {
        const entry = document();
        committed = {
          session: Buffer.from((entry.get('session') as Binary).bytes).toString('latin1'),
          number: entry.get('number') as bigint,
          reply: entry.get('reply') as Doc,
          transaction: entry.get('transaction') === true,
        };
        onRetry(committed);
        break;
      }
      case TIME: {
        const seconds = payload.readUInt32LE(at);
        const increment = payload.readUInt32LE(at + 4);
        history.replayTime(seconds, increment, payload.readUIntLE(at + 8, 6), payload[at + 14] === 1);
        at += 15;
        break;
      }
      case DROP_DATABASE:
        history.dropDatabase(String(document().get('name')));
        break;
      case COMPLETE:
        complete = true;
        break;
      default:
        throw new Error(`operation ${kind} is unknown`);
    }
  }
  history.commit(committed);
  return { complete };
}

function optionsOf(described: Doc): Doc {
  const options = described.get('options');
  return options instanceof Doc ? options : Doc.EMPTY;
}
