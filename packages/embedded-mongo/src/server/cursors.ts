import { encodeDocument } from '../bson/encode.ts';
import type { Doc } from '../bson/values.ts';
import { pull } from '../commands/context.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Stream } from '../plan/stream.ts';

/** MongoDB closes cursors that were idle for ten minutes. */
const IDLE_MS = 10 * 60_000;
const SWEEP_MS = 60_000;
/** Leaves room for the reply around the documents. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;
export const DEFAULT_BATCH = 101;

interface Cursor {
  readonly id: bigint;
  readonly namespace: string;
  readonly stream: Stream;
  readonly noTimeout: boolean;
  held: Doc | undefined;
  lastUsed: number;
  busy: boolean;
}

export interface Batch {
  readonly id: bigint;
  readonly docs: Doc[];
}

/** The open cursors of the server. */
export class Cursors {
  private readonly open = new Map<bigint, Cursor>();
  private nextId = BigInt(Math.floor(Math.random() * 2 ** 40)) + 1n;
  private sweeper: NodeJS.Timeout | undefined;

  get size(): number {
    return this.open.size;
  }

  /** Reads a first batch, and keeps a cursor when there is more. */
  *start(
    namespace: string,
    stream: Stream,
    batchSize: number,
    single: boolean,
    noTimeout = false,
  ): Generator<undefined, Batch> {
    const cursor: Cursor = { id: this.nextId, namespace, stream, noTimeout, held: undefined, lastUsed: 0, busy: false };
    const { docs, done } = yield* this.read(cursor, batchSize);
    if (done || single) return { id: 0n, docs };
    stream.detach();
    this.nextId += 1n;
    cursor.lastUsed = Date.now();
    this.open.set(cursor.id, cursor);
    this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
    return { id: cursor.id, docs };
  }

  *more(id: bigint, namespace: string, batchSize: number): Generator<undefined, Batch> {
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
    const sizes = (doc: Doc): number => encodeDocument(doc).length;
    const { docs, done, overflow } = yield* pull(cursor.stream, batchSize - held.length, sizes, MAX_BATCH_BYTES);
    cursor.held = overflow;
    return { docs: [...held, ...docs], done };
  }

  kill(id: bigint): boolean {
    return this.open.delete(id);
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
