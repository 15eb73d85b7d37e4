import type { Doc, Value } from '../bson/values.ts';
import type { IndexSpec } from '../indexes/spec.ts';
import type { Clock } from '../server/clock.ts';
import type { Collection } from './collection.ts';
import type { RetryEntry } from './operations.ts';

/** What an update changed, as its operators say it (manual: reference/change-events/update). */
export type Describe = (before: Doc, after: Doc) => FieldChanges;

export interface FieldChanges {
  readonly updated: readonly (readonly [Path, Value])[];
  readonly removed: readonly Path[];
  readonly truncated: readonly { readonly path: Path; readonly newSize: number }[];
}

/** Names of fields, and positions in arrays as numbers. */
export type Path = readonly (string | number)[];

export interface CollectionState {
  readonly namespace: string;
  readonly options: Doc;
  /** The collection that had the new name, and gave way. */
  readonly replaced?: Collection | undefined;
}

/** Whoever has to know of each change, in the order in which they happen: the journal, if there is one. */
export interface Recorder {
  /** `before` is what was there; `replaces` tells a replacement from an update of single fields. */
  put(
    collection: Collection,
    recordId: number,
    doc: Doc,
    before: Doc | undefined,
    replaces: boolean,
    describe?: Describe,
  ): void;
  remove(collection: Collection, recordId: number, before: Doc): void;
  createCollection(collection: Collection): void;
  dropCollection(collection: Collection): void;
  /** `before` is what it was called and how it was made. */
  alterCollection(collection: Collection, before: CollectionState): void;
  /** All collections of the database have been dropped. */
  dropDatabase(name: string): void;
  /** The logical time of the change that follows; the changes of a whole have one time. */
  time(clock: Clock, wallMs: number, whole: boolean): void;
  createIndex(collection: Collection, spec: IndexSpec): void;
  dropIndex(collection: Collection, spec: IndexSpec): void;
  /** `change` is what `collMod` was asked for. */
  alterIndex(collection: Collection, spec: IndexSpec, change: Doc): void;
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
  alterIndex: nothing,
  beginWhole: nothing,
  dropDatabase: nothing,
  time: nothing,
  commit: nothing,
};
