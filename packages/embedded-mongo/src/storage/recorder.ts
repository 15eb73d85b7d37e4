import type { Doc } from '../bson/values.ts';
import type { IndexSpec } from '../indexes/spec.ts';
import type { Clock } from '../server/clock.ts';
import type { Collection } from './collection.ts';
import type { RetryEntry } from './operations.ts';

/** Whoever has to know of each change, in the order in which they happen: the journal, if there is one. */
export interface Recorder {
  /** `before` is what was there; `replaces` tells a replacement from an update of single fields. */
  put(collection: Collection, recordId: number, doc: Doc, before: Doc | undefined, replaces: boolean): void;
  remove(collection: Collection, recordId: number, before: Doc): void;
  createCollection(collection: Collection): void;
  dropCollection(collection: Collection): void;
  /** `from` is the name it had, when that has changed. */
  alterCollection(collection: Collection, from?: string): void;
  /** All collections of the database have been dropped. */
  dropDatabase(name: string): void;
  /** The logical time of the change that follows; the changes of a whole have one time. */
  time(clock: Clock, wallMs: number, whole: boolean): void;
  createIndex(collectionId: number, spec: IndexSpec): void;
  dropIndex(collectionId: number, name: string): void;
  /** What follows until `commit` is kept as a whole or not at all, whatever its size: a transaction. */
  beginWhole(): void;
  /** Marks the end of a command; with the reply that a retry of it is to get. */
  commit(retry?: RetryEntry): void;
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
  beginWhole: nothing,
  dropDatabase: nothing,
  time: nothing,
  commit: nothing,
};
