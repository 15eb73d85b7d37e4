import { renameSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Engine } from '../server/engine.ts';
import { type Journal, openForAppend } from './journal.ts';
import { fileHeader, frame } from './journal-file.ts';
import { OperationWriter } from './operations.ts';
import { journalPath, removeLeftovers, snapshotPath, syncFolder } from './recovery.ts';

/** Below this a journal is read in no time, and compaction would only cost. */
const MIN_JOURNAL_BYTES = 16 * 1024 * 1024;
const BLOCK_BYTES = 512 * 1024;

/**
 * Replaces a journal that has grown beyond the data by a snapshot of the data, while commands go on: the trees are
 * cloned at one moment, writes continue in a new journal, and the snapshot counts once it has been renamed into place.
 */
export class Compactor {
  private readonly engine: Engine;
  private readonly journal: Journal;
  private readonly folder: string;
  private generation: number;
  private snapshotBytes: number;
  private running = false;

  constructor(engine: Engine, journal: Journal, folder: string, generation: number, snapshotBytes: number) {
    this.engine = engine;
    this.journal = journal;
    this.folder = folder;
    this.generation = generation;
    this.snapshotBytes = snapshotBytes;
  }

  watch(): void {
    this.journal.onWritten = () => {
      if (this.running || this.journal.isSyncing) return;
      if (this.journal.bytes < Math.max(MIN_JOURNAL_BYTES, this.snapshotBytes)) return;
      this.running = true;
      this.compact().then(
        () => {
          this.running = false;
        },
        (error: unknown) => this.journal.onFailure(error),
      );
    };
  }

  private async compact(): Promise<void> {
    const next = this.generation + 1;
    const collections = [...this.engine.store.collections.values()].map((collection) => ({
      collection,
      records: collection.records.clone(),
      indexes: collection.indexes.slice(1).map((index) => index.spec),
    }));
    const { clock } = this.engine;
    const time = { seconds: clock.seconds, increment: clock.increment };
    const retries = [...this.engine.retries.entries(), ...this.engine.transactions.entries()];
    // From here to the new journal nothing may run in between: the clones are the state at the switch.
    this.journal.switchTo(openForAppend(journalPath(this.folder, next), 0, next));
    syncFolder(this.folder);
    this.generation = next;
    const temporary = `${snapshotPath(this.folder, next)}.tmp`;
    const file = await open(temporary, 'w');
    try {
      const writer = new SnapshotWriter(file);
      await file.write(fileHeader(next));
      for (const { collection, records, indexes } of collections) {
        writer.operations.createCollection(collection);
        for (const spec of indexes) writer.operations.createIndex(collection.id, spec);
        for (const [recordId, doc] of records.entries()) {
          writer.operations.put(collection.id, recordId, doc);
          if (writer.isFull) await writer.flush();
        }
      }
      for (const entry of retries) {
        writer.operations.retry(entry);
        if (writer.isFull) await writer.flush();
      }
      writer.operations.time(time.seconds, time.increment + 1, 0, false);
      writer.operations.complete();
      await writer.flush();
      await file.sync();
      this.snapshotBytes = (await file.stat()).size;
    } finally {
      await file.close();
    }
    renameSync(temporary, snapshotPath(this.folder, next));
    syncFolder(this.folder);
    removeLeftovers(this.folder, next);
  }
}

class SnapshotWriter {
  readonly operations = new OperationWriter();
  private readonly file: FileHandle;

  constructor(file: FileHandle) {
    this.file = file;
  }

  get isFull(): boolean {
    return this.operations.size >= BLOCK_BYTES;
  }

  async flush(): Promise<void> {
    await this.file.write(frame(this.operations.take()));
  }
}
