import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { Doc } from '../bson/values.ts';
import type { IndexSpec } from '../indexes/spec.ts';
import type { Clock } from '../server/clock.ts';
import type { Collection } from './collection.ts';
import { FILE_HEADER_BYTES, fileHeader, frame } from './journal-file.ts';
import { OperationWriter, type RetryEntry } from './operations.ts';
import type { CollectionState, Recorder } from './recorder.ts';

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A record larger than this is split: a crash can then lose the later part of one long command, never half a document. */
const MAX_PAYLOAD_BYTES = 32 * 1024 * 1024;

/**
 * The append-only journal. The changes of one command form one record. Records of all commands that finish in the
 * same turn of the event loop are written together, and those that also have to be on disk share one `fdatasync`.
 */
export class Journal implements Recorder {
  private fd: number;
  private readonly operations = new OperationWriter();
  private queued: Buffer[] = [];
  private waiting: { sync: boolean; waiter: Waiter }[] = [];
  private unsynced: Waiter[] = [];
  private scheduled = false;
  private wallMs = 0;
  /** The record being written must not be split. */
  private whole = false;
  private syncing = false;
  private failure: unknown;
  /** How long the current file is. */
  bytes: number;
  /** Called after each write: the place to decide about compaction. */
  onWritten: () => void = () => {};
  onFailure: (error: unknown) => void = () => {};
  private readonly release: () => void;

  constructor(fd: number, bytes: number, release: () => void) {
    this.fd = fd;
    this.bytes = bytes;
    this.release = release;
  }

  put(collection: Collection, recordId: number, doc: Doc, before: Doc | undefined, replaces: boolean): void {
    this.operations.put(collection.id, recordId, doc, before !== undefined && replaces);
    if (this.operations.size > MAX_PAYLOAD_BYTES && !this.whole) this.commit();
  }

  remove(collection: Collection, recordId: number): void {
    this.operations.remove(collection.id, recordId);
  }

  createCollection(collection: Collection): void {
    this.operations.createCollection(collection);
  }

  dropCollection(collection: Collection): void {
    this.operations.dropCollection(collection.id);
  }

  alterCollection(collection: Collection, { replaced }: CollectionState): void {
    this.operations.alterCollection(collection, replaced?.id);
  }

  createIndex(collection: Collection, spec: IndexSpec): void {
    this.operations.createIndex(collection.id, spec);
  }

  dropIndex(collection: Collection, spec: IndexSpec): void {
    this.operations.dropIndex(collection.id, spec.name);
  }

  alterIndex(collection: Collection, spec: IndexSpec, change: Doc): void {
    this.operations.alterIndex(collection.id, spec, change);
  }

  dropDatabase(name: string): void {
    this.operations.dropDatabase(name);
  }

  /** Written at the start of each record, and where the time does not simply count on. */
  time({ seconds, increment }: Clock, wallMs: number, whole: boolean): void {
    if (this.operations.size === 0 || wallMs !== this.wallMs) {
      this.operations.time(seconds, increment, wallMs, whole);
      this.wallMs = wallMs;
    }
  }

  beginWhole(): void {
    this.commit();
    this.whole = true;
  }

  commit(retry?: RetryEntry): void {
    this.whole = false;
    if (retry !== undefined) this.operations.retry(retry);
    if (this.operations.size > 0) this.queued.push(frame(this.operations.take()));
    this.schedule();
  }

  /** Resolves when everything committed so far is written; with `sync`, when it is on disk. */
  flushed(sync: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ sync, waiter: { resolve, reject } });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || (this.queued.length === 0 && this.waiting.length === 0)) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.write();
    });
  }

  private write(): void {
    this.writeQueued();
    if (!this.syncing) this.sync();
    this.onWritten();
  }

  /** Hands everything that is queued to the system, which keeps it when this process dies. */
  private writeQueued(): void {
    const waiting = this.waiting;
    this.waiting = [];
    try {
      if (this.failure !== undefined) throw this.failure;
      if (this.queued.length > 0) {
        const block = this.queued.length === 1 ? (this.queued[0] as Buffer) : Buffer.concat(this.queued);
        this.queued = [];
        writeFully(this.fd, block);
        this.bytes += block.length;
      }
    } catch (error) {
      this.fail(error);
      for (const { waiter } of waiting) waiter.reject(error);
      return;
    }
    for (const { sync, waiter } of waiting) {
      if (sync) this.unsynced.push(waiter);
      else waiter.resolve();
    }
  }

  private sync(): void {
    if (this.unsynced.length === 0) return;
    const waiters = this.unsynced;
    this.unsynced = [];
    this.syncing = true;
    fdatasync(this.fd, (error) => {
      this.syncing = false;
      if (error !== null) this.fail(error);
      for (const waiter of waiters) {
        if (error === null) waiter.resolve();
        else waiter.reject(error);
      }
      // A busy server always has the next sync waiting: compaction gets its chance in between.
      this.onWritten();
      this.sync();
    });
  }

  /** Memory is ahead of the disk now, and nothing can be promised any more. */
  private fail(error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.onFailure(error);
  }

  /** Continues in another file, after all that was committed before is safely in the old one. No sync may be running. */
  switchTo(fd: number): void {
    this.commit();
    this.writeQueued();
    fsyncSync(this.fd);
    for (const waiter of this.unsynced) waiter.resolve();
    this.unsynced = [];
    closeSync(this.fd);
    this.fd = fd;
    this.bytes = FILE_HEADER_BYTES;
  }

  /** Whether a sync of the current file is under way; it must not be closed then. */
  get isSyncing(): boolean {
    return this.syncing;
  }

  async close(): Promise<void> {
    await this.flushed(true).catch(() => {});
    closeSync(this.fd);
    this.release();
  }
}

function writeFully(fd: number, bytes: Buffer): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(fd, bytes, written, bytes.length - written);
}

/** Opens a journal for appending, cutting off what a crash left unfinished. */
export function openForAppend(path: string, goodBytes: number, generation: number): number {
  const fd = openSync(path, goodBytes === 0 ? 'w' : 'r+');
  if (goodBytes === 0) {
    writeFully(fd, fileHeader(generation));
    fsyncSync(fd);
    return fd;
  }
  ftruncateSync(fd, goodBytes);
  fsyncSync(fd);
  closeSync(fd);
  return openSync(path, 'a');
}
