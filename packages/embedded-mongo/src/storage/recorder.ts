import type { Doc } from '../bson/values.ts';
import type { IndexSpec } from '../indexes/index.ts';
import type { Collection } from './collection.ts';

/** Whoever has to know of each change, in the order in which they happen: the journal, if there is one. */
export interface Recorder {
  put(collectionId: number, recordId: number, doc: Doc): void;
  remove(collectionId: number, recordId: number): void;
  createCollection(collection: Collection): void;
  dropCollection(collectionId: number): void;
  alterCollection(collection: Collection): void;
  createIndex(collectionId: number, spec: IndexSpec): void;
  dropIndex(collectionId: number, name: string): void;
  /** Marks the end of a command; with the reply that a retry of it is to get. */
  commit(retry?: { session: string; number: bigint; reply: Doc }): void;
}

const nothing = (): void => {};

/** In memory there is nothing to record. */
export const NO_RECORDER: Recorder = {
  put: nothing,
  remove: nothing,
  createCollection: nothing,
  dropCollection: nothing,
  alterCollection: nothing,
  createIndex: nothing,
  dropIndex: nothing,
  commit: nothing,
};
