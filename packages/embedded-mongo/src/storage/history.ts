import { encodeDocument } from '../bson/encode.ts';
import { type Binary, Doc } from '../bson/values.ts';
import type { IndexSpec } from '../indexes/spec.ts';
import type { Clock } from '../server/clock.ts';
import type { Collection } from './collection.ts';
import type { RetryEntry } from './operations.ts';
import { type CollectionState, type Describe, NO_RECORDER, type Recorder } from './recorder.ts';

/** A place in the history: the time, and the number within the transaction that has this time. */
export interface Position {
  readonly seconds: number;
  readonly increment: number;
  readonly order: number;
}

export type ChangeKind =
  | 'insert'
  | 'update'
  | 'replace'
  | 'delete'
  | 'drop'
  | 'rename'
  | 'dropDatabase'
  | 'invalidate'
  | 'create'
  | 'createIndexes'
  | 'dropIndexes'
  | 'modify';

export interface ChangeEvent extends Position {
  readonly kind: ChangeKind;
  readonly wallMs: number;
  readonly namespace: string;
  readonly uuid: Binary | undefined;
  readonly before: Doc | undefined;
  readonly after: Doc | undefined;
  /** The collection and the document concerned. */
  readonly collectionId: number | undefined;
  readonly recordId: number | undefined;
  /** The new name. */
  readonly to: string | undefined;
  /** The collection keeps pre- and post-images. */
  readonly images: boolean;
  /** How an update was made, if that is known: not of those read from the journal. */
  readonly describe: Describe | undefined;
  /** Of a change of a collection or an index: what was done, and what the collection was like. */
  readonly description: Doc | undefined;
  readonly stateBefore: Doc | undefined;
  /** The transaction that it was part of. */
  readonly transaction: TransactionName | undefined;
}

/** Shared by the events of one transaction; its names are known when it is committed. */
export interface TransactionName {
  session: string;
  number: bigint;
}

const MAX_EVENTS = 100_000;
const MAX_BYTES = 64 * 1024 * 1024;

export function comparePositions(a: Position, b: Position): number {
  return a.seconds - b.seconds || a.increment - b.increment || a.order - b.order;
}

/**
 * The latest changes, in their order: what change streams read and resume from. It keeps references to documents that
 * exist anyway and notes what happened; events are made of it only when somebody listens.
 */
export class History implements Recorder {
  /** Who keeps the changes for good. */
  next: Recorder = NO_RECORDER;
  /** Changes up to here have been forgotten. */
  oldest: Position;
  /** While the journal is read again: times come from it. */
  isReplaying = false;
  private readonly clock: Clock;
  private events: ChangeEvent[] = [];
  private bytes = 0;
  private whole = false;
  private transaction: TransactionName | undefined;
  private order = 0;
  private fresh = false;
  private wallMs = 0;
  private readonly waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.clock = clock;
    this.oldest = { seconds: clock.seconds, increment: clock.increment - 1, order: 0 };
  }

  put(
    collection: Collection,
    recordId: number,
    doc: Doc,
    before: Doc | undefined,
    replaces: boolean,
    describe?: Describe,
  ): void {
    const kind = before === undefined ? 'insert' : replaces ? 'replace' : 'update';
    this.note(kind, collection.namespace, collection, { recordId, before, after: doc, describe });
    this.next.put(collection, recordId, doc, before, replaces);
  }

  remove(collection: Collection, recordId: number, before: Doc): void {
    this.note('delete', collection.namespace, collection, { recordId, before });
    this.next.remove(collection, recordId, before);
  }

  createCollection(collection: Collection): void {
    const idIndex = collection.options.has('viewOn') ? undefined : collection.idIndex.spec.document;
    const description = Doc.of({ idIndex, ...Object.fromEntries(collection.options.entries()) });
    this.note('create', collection.namespace, collection, { description });
    this.next.createCollection(collection);
  }

  dropCollection(collection: Collection): void {
    this.note('drop', collection.namespace, collection);
    this.next.dropCollection(collection);
  }

  alterCollection(collection: Collection, before: CollectionState): void {
    const { namespace, options } = collection;
    if (before.namespace === namespace) {
      const changed = [...options.entries()].filter(([key, value]) => before.options.get(key) !== value);
      const description = Doc.of(Object.fromEntries(changed));
      const stateBefore = Doc.of({ collectionOptions: before.options.with('uuid', collection.uuid) });
      this.note('modify', namespace, collection, { description, stateBefore });
    } else {
      const description = Doc.of({ dropTarget: before.replaced?.uuid });
      this.note('rename', before.namespace, collection, { to: namespace, description });
    }
    this.next.alterCollection(collection, before);
  }

  dropDatabase(name: string): void {
    this.note('dropDatabase', name, undefined);
    this.next.dropDatabase(name);
  }

  createIndex(collection: Collection, spec: IndexSpec): void {
    this.note('createIndexes', collection.namespace, collection, { description: Doc.of({ indexes: [spec.document] }) });
    this.next.createIndex(collection, spec);
  }

  dropIndex(collection: Collection, spec: IndexSpec): void {
    this.note('dropIndexes', collection.namespace, collection, { description: Doc.of({ indexes: [spec.document] }) });
    this.next.dropIndex(collection, spec);
  }

  alterIndex(collection: Collection, spec: IndexSpec, change: Doc): void {
    this.note('modify', collection.namespace, collection, { description: Doc.of({ index: change }) });
    this.next.alterIndex(collection, spec, change);
  }

  /** All that follows has one time: the events of a transaction belong together. */
  beginWhole(): void {
    this.next.beginWhole();
    this.whole = true;
    this.order = 0;
    this.transaction = { session: '', number: 0n };
  }

  commit(retry?: RetryEntry): void {
    this.whole = false;
    if (retry?.transaction === true && this.transaction !== undefined) {
      this.transaction.session = retry.session;
      this.transaction.number = retry.number;
    }
    this.transaction = undefined;
    this.next.commit(retry);
    if (!this.fresh) return;
    this.fresh = false;
    for (const wake of this.waiting) wake();
    this.waiting.clear();
  }

  time(): void {}

  private note(
    kind: ChangeEvent['kind'],
    namespace: string,
    collection: Collection | undefined,
    what: Partial<ChangeEvent> = {},
  ): void {
    this.stamp();
    const { seconds, increment } = this.clock;
    const { wallMs, order } = this;
    const images = collection?.keepsImages === true;
    const uuid = collection?.uuid;
    const { recordId, before, after, to, describe, description, stateBefore } = what;
    this.events.push({
      kind,
      namespace,
      seconds,
      increment,
      order,
      wallMs,
      uuid,
      collectionId: collection?.id,
      recordId,
      before,
      after,
      to,
      images,
      describe,
      description,
      stateBefore,
      transaction: this.transaction,
    });
    this.bytes += sizeOf(before) + sizeOf(after);
    this.fresh = true;
    if (this.events.length > MAX_EVENTS || this.bytes > MAX_BYTES) this.forgetOldest();
  }

  private stamp(): void {
    if (this.whole && this.order > 0) {
      this.order += 1;
      return;
    }
    this.order = this.whole ? 1 : 0;
    if (this.isReplaying) {
      this.clock.set(this.clock.seconds, this.clock.increment + 1);
      return;
    }
    this.wallMs = Date.now();
    this.clock.tick(this.wallMs);
    this.next.time(this.clock, this.wallMs, this.whole);
  }

  /** The time of what is read from the journal next. */
  replayTime(seconds: number, increment: number, wallMs: number, whole: boolean): void {
    this.clock.set(seconds, increment - 1);
    this.wallMs = wallMs;
    if (whole) this.beginWhole();
  }

  /** Nothing before the present is known. */
  startHere(): void {
    this.events = [];
    this.bytes = 0;
    this.oldest = this.position;
  }

  get position(): Position {
    return { seconds: this.clock.seconds, increment: this.clock.increment, order: 0xffffffff };
  }

  private forgetOldest(): void {
    // A tenth at once, so that the list is moved seldom.
    const fewest = Math.ceil(this.events.length / 10);
    let gone = 0;
    while (gone < this.events.length && (gone < fewest || this.bytes > MAX_BYTES)) {
      const event = this.events[gone] as ChangeEvent;
      this.bytes -= sizeOf(event.before) + sizeOf(event.after);
      this.oldest = event;
      gone += 1;
    }
    this.events = this.events.slice(gone);
  }

  /** The first event after the position. */
  after(position: Position): ChangeEvent | undefined {
    return this.events[this.indexAfter(position)];
  }

  at(position: Position): ChangeEvent | undefined {
    const event = this.events[this.indexAfter(position) - 1];
    return event !== undefined && comparePositions(event, position) === 0 ? event : undefined;
  }

  /** The events after the position, the latest first. */
  *backTo(position: Position): Generator<ChangeEvent> {
    const { events } = this;
    for (let at = events.length - 1; at >= this.indexAfter(position); at--) yield events[at] as ChangeEvent;
  }

  private indexAfter(position: Position): number {
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePositions(this.events[middle] as ChangeEvent, position) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Calls back once, when there is something new. */
  onNext(wake: () => void): () => void {
    this.waiting.add(wake);
    return () => this.waiting.delete(wake);
  }
}

function sizeOf(doc: Doc | undefined): number {
  return doc === undefined ? 0 : encodeDocument(doc).length;
}
