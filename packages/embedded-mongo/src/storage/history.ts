import { encodeDocument } from '../bson/encode.ts';
import type { Binary, Doc } from '../bson/values.ts';
import type { IndexSpec } from '../indexes/spec.ts';
import type { Clock } from '../server/clock.ts';
import type { Collection } from './collection.ts';
import type { RetryEntry } from './operations.ts';
import { NO_RECORDER, type Recorder } from './recorder.ts';

/** A place in the history: the time, and the number within the transaction that has this time. */
export interface Position {
  readonly seconds: number;
  readonly increment: number;
  readonly order: number;
}

export interface ChangeEvent extends Position {
  readonly kind: 'insert' | 'update' | 'replace' | 'delete' | 'drop' | 'rename' | 'dropDatabase' | 'invalidate';
  readonly wallMs: number;
  readonly namespace: string;
  readonly uuid: Binary | undefined;
  readonly before: Doc | undefined;
  readonly after: Doc | undefined;
  /** The new name. */
  readonly to: string | undefined;
  /** The collection keeps pre- and post-images. */
  readonly images: boolean;
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
  private order = 0;
  private fresh = false;
  private wallMs = 0;
  private readonly waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.clock = clock;
    this.oldest = { seconds: clock.seconds, increment: clock.increment - 1, order: 0 };
  }

  put(collection: Collection, recordId: number, doc: Doc, before: Doc | undefined, replaces: boolean): void {
    const kind = before === undefined ? 'insert' : replaces ? 'replace' : 'update';
    this.note(kind, collection.namespace, collection, before, doc);
    this.next.put(collection, recordId, doc, before, replaces);
  }

  remove(collection: Collection, recordId: number, before: Doc): void {
    this.note('delete', collection.namespace, collection, before);
    this.next.remove(collection, recordId, before);
  }

  createCollection(collection: Collection): void {
    this.next.createCollection(collection);
  }

  dropCollection(collection: Collection): void {
    this.note('drop', collection.namespace, collection);
    this.next.dropCollection(collection);
  }

  alterCollection(collection: Collection, from?: string): void {
    if (from !== undefined) this.note('rename', from, collection, undefined, undefined, collection.namespace);
    this.next.alterCollection(collection, from);
  }

  dropDatabase(name: string): void {
    this.note('dropDatabase', name, undefined);
    this.next.dropDatabase(name);
  }

  createIndex(collectionId: number, spec: IndexSpec): void {
    this.next.createIndex(collectionId, spec);
  }

  dropIndex(collectionId: number, name: string): void {
    this.next.dropIndex(collectionId, name);
  }

  /** All that follows has one time: the events of a transaction belong together. */
  beginWhole(): void {
    this.next.beginWhole();
    this.whole = true;
    this.order = 0;
  }

  commit(retry?: RetryEntry): void {
    this.whole = false;
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
    before?: Doc,
    after?: Doc,
    to?: string,
  ): void {
    this.stamp();
    const { seconds, increment } = this.clock;
    const { wallMs, order } = this;
    const images = collection?.keepsImages === true;
    const uuid = collection?.uuid;
    this.events.push({ kind, namespace, seconds, increment, order, wallMs, uuid, before, after, to, images });
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
