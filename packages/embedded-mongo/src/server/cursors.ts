import { encodeDocument } from '../bson/encode.ts';
import { Doc } from '../bson/values.ts';
import { type Pause, pull } from '../commands/context.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Stream } from '../plan/stream.ts';
import { DeferredErrorStream } from './deferred-error.ts';
import { changeStreamLabels } from './error-labels.ts';

/** MongoDB closes cursors that were idle for ten minutes. */
const IDLE_MS = 10 * 60_000;
const SWEEP_MS = 60_000;
/** Leaves room for the reply around the documents. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;
export const DEFAULT_BATCH = 101;

/** A source that goes on: it wakes whoever waits for more of it. */
export interface Followed {
  readonly isInvalidated: boolean;
  /** Goes on from the present, and says where that is; only change streams can be resumed there. */
  takeHighWater?(): Doc;
  /** False for a cursor that answers at once when there is nothing. */
  readonly awaits?: boolean;
}

interface Cursor {
  readonly id: bigint;
  readonly namespace: string;
  readonly stream: Stream;
  readonly noTimeout: boolean;
  held: Doc | undefined;
  lastUsed: number;
  busy: boolean;
  /** Set for a change stream: the end of the stream is only the end for now. */
  readonly followed?: Followed;
  wake?: (() => void) | undefined;
}

export interface Batch {
  readonly id: bigint;
  readonly docs: Doc[];
  /** Of a change stream: where to go on after this batch. */
  readonly resumeToken?: Doc | undefined;
}

/** How a `getMore` waits for what a change stream has next. */
export interface Waiting {
  readonly maxMs: number;
  onNext(wake: () => void): () => void;
}
export const DEFAULT_WAIT_MS = 1000;

/** The open cursors of the server. */
export class Cursors {
  private readonly open = new Map<bigint, Cursor>();
  private lastId = BigInt(Math.floor(Math.random() * 2 ** 40));
  private sweeper: NodeJS.Timeout | undefined;

  get size(): number {
    return this.open.size;
  }

  /** Nobody else's ever: others begin while a first batch pauses. */
  private takeId(): bigint {
    this.lastId += 1n;
    return this.lastId;
  }

  /** Reads a first batch, and keeps a cursor when there is more. */
  *start(
    namespace: string,
    stream: Stream,
    batchSize: number,
    single: boolean,
    noTimeout = false,
  ): Generator<undefined, Batch> {
    const id = this.takeId();
    const cursor: Cursor = { id, namespace, stream, noTimeout, held: undefined, lastUsed: 0, busy: false };
    const { docs, done } = yield* this.read(cursor, batchSize);
    if (done || single) return { id: 0n, docs };
    stream.detach();
    cursor.lastUsed = Date.now();
    this.open.set(id, cursor);
    this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
    return { id, docs };
  }

  /** Opens a cursor over what is still to come, as change streams are; its first batch waits for nothing. */
  *follow(namespace: string, stream: Stream, followed: Followed, batchSize: number): Generator<undefined, Batch> {
    const id = this.takeId();
    const cursor: Cursor = {
      id,
      namespace,
      stream: new DeferredErrorStream(stream),
      noTimeout: false,
      held: undefined,
      lastUsed: 0,
      busy: false,
      followed,
    };
    const { docs, done } = yield* this.read(cursor, batchSize);
    cursor.lastUsed = Date.now();
    const ended = done && followed.isInvalidated;
    if (!ended) this.open.set(id, cursor);
    this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
    return { id: ended ? 0n : id, docs, resumeToken: resumeToken(followed, docs, done) };
  }

  private *followOn(cursor: Cursor, followed: Followed, batchSize: number, waiting: Waiting): Generator<Pause, Batch> {
    const until = performance.now() + waiting.maxMs;
    for (;;) {
      const { docs, done } = yield* this.read(cursor, batchSize);
      const ended = done && followed.isInvalidated;
      if (docs.length > 0 || ended || followed.awaits === false || performance.now() >= until) {
        if (ended) this.open.delete(cursor.id);
        return { id: ended ? 0n : cursor.id, docs, resumeToken: resumeToken(followed, docs, done) };
      }
      yield sleep(cursor, until - performance.now(), waiting.onNext);
      if (this.open.get(cursor.id) !== cursor) {
        throw new MongoError(
          ErrorCode.CursorKilled,
          `operation was interrupted because the cursor ${cursor.id} was killed`,
        );
      }
    }
  }

  *more(id: bigint, namespace: string, batchSize: number, waiting: Waiting): Generator<Pause, Batch> {
    const cursor = this.open.get(id);
    if (cursor === undefined) throw new MongoError(ErrorCode.CursorNotFound, `cursor id ${id} not found`);
    if (cursor.namespace !== namespace) {
      throw new MongoError(
        13,
        `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${cursor.namespace}`,
      );
    }
    if (cursor.busy) throw new MongoError(12051, `cursor id ${id} is already in use`);
    cursor.busy = true;
    try {
      if (cursor.followed !== undefined) {
        const batch = yield* this.followOn(cursor, cursor.followed, batchSize, waiting);
        cursor.lastUsed = Date.now();
        return batch;
      }
      const { docs, done } = yield* this.read(cursor, batchSize);
      cursor.lastUsed = Date.now();
      if (done) this.open.delete(id);
      else cursor.stream.detach();
      return { id: done ? 0n : id, docs };
    } catch (error) {
      this.open.delete(id);
      throw error;
    } finally {
      cursor.busy = false;
    }
  }

  private *read(cursor: Cursor, batchSize: number): Generator<undefined, { docs: Doc[]; done: boolean }> {
    const held = cursor.held === undefined ? [] : [cursor.held];
    cursor.held = undefined;
    const { stream } = cursor;
    if (stream instanceof DeferredErrorStream) stream.startBatch();
    const sizes = (doc: Doc): number => encodeDocument(doc).length;
    const { docs, done, overflow } = yield* pull(stream, batchSize - held.length, sizes, MAX_BATCH_BYTES);
    cursor.held = overflow;
    const failed = stream instanceof DeferredErrorStream && stream.hasFailed;
    return { docs: [...held, ...docs], done: done && !failed };
  }

  has(id: bigint): boolean {
    return this.open.has(id);
  }

  /** Whether a `getMore` may say how long to wait. */
  mayWait(id: bigint): boolean {
    const cursor = this.open.get(id);
    return cursor === undefined || (cursor.followed !== undefined && cursor.followed.awaits !== false);
  }

  kill(id: bigint): boolean {
    const cursor = this.open.get(id);
    const known = this.open.delete(id);
    cursor?.wake?.();
    return known;
  }

  /** The error of a `getMore` that fails for a reason outside of it: the cursor is gone. */
  failed(id: bigint, code: number): MongoError {
    const labels = this.open.get(id)?.followed === undefined ? [] : changeStreamLabels(code);
    this.kill(id);
    return new MongoError(code, "Hit the 'failGetMoreAfterCursorCheckout' failpoint", {}, labels);
  }

  private sweep(): void {
    const oldest = Date.now() - IDLE_MS;
    for (const cursor of this.open.values()) {
      if (!cursor.busy && !cursor.noTimeout && cursor.lastUsed < oldest) this.open.delete(cursor.id);
    }
  }

  close(): void {
    clearInterval(this.sweeper);
    this.open.clear();
  }
}

/** After a batch that is complete for now, all that has happened is behind; else the last document is the place. */
function resumeToken(followed: Followed, docs: readonly Doc[], done: boolean): Doc | undefined {
  if (followed.takeHighWater === undefined) return undefined;
  if (done) return followed.takeHighWater();
  const id = docs.at(-1)?.get('_id');
  return id instanceof Doc ? id : undefined;
}

/** Until there is something new, the time is over, or the cursor is killed. */
function sleep(cursor: Cursor, ms: number, onNext: Waiting['onNext']): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      forget();
      cursor.wake = undefined;
      resolve();
    };
    const timer = setTimeout(finish, ms).unref();
    const forget = onNext(finish);
    cursor.wake = finish;
  });
}
