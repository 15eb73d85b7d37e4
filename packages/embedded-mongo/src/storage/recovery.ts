import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Engine } from '../server/engine.ts';
import { Compactor } from './compaction.ts';
import { Journal, openForAppend } from './journal.ts';
import { FILE_HEADER_BYTES, type ReadResult, readRecords, StorageError } from './journal-file.ts';
import { lockFolder } from './lock.ts';
import { replay } from './operations.ts';

export const journalPath = (folder: string, generation: number): string =>
  join(folder, `journal-${String(generation).padStart(8, '0')}`);
export const snapshotPath = (folder: string, generation: number): string =>
  join(folder, `snapshot-${String(generation).padStart(8, '0')}`);

/** Makes the names in a folder durable: creating or renaming a file is a change of its folder. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Step by step: Node's own `recursive` tries for ever where a folder is there and says ENOENT to what is made in it, as /proc does. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!existsSync(folder)) throw error;
  }
}

/**
 * Loads a data folder into the engine and journals to it from then on. Snapshot N holds everything before journal N;
 * so the newest snapshot and all journals from its number on are the whole state. `onFailure` is called when the journal
 * can no longer be written.
 */
export function openFolder(engine: Engine, folder: string, onFailure: (error: unknown) => void): void {
  makeFolder(folder);
  const release = lockFolder(folder);
  try {
    const { generation, goodBytes, snapshotBytes } = load(engine, folder);
    const fd = openForAppend(journalPath(folder, generation), goodBytes, generation);
    syncFolder(folder);
    const journal = new Journal(fd, Math.max(goodBytes, FILE_HEADER_BYTES), release);
    journal.onFailure = onFailure;
    engine.attach(journal);
    new Compactor(engine, journal, folder, generation, snapshotBytes).watch();
  } catch (error) {
    release();
    throw error;
  }
}

interface Loaded {
  readonly generation: number;
  readonly goodBytes: number;
  readonly snapshotBytes: number;
}

function load(engine: Engine, folder: string): Loaded {
  const { history } = engine;
  history.isReplaying = true;
  history.oldest = { seconds: 0, increment: 0, order: 0 };
  const snapshots = generations(folder, 'snapshot');
  const start = snapshots.at(-1);
  const journals = generations(folder, 'journal').filter((generation) => generation >= (start ?? 1));
  removeLeftovers(folder, start ?? 1);
  if (start !== undefined) loadSnapshot(engine, snapshotPath(folder, start));
  const first = start ?? 1;
  const last = journals.at(-1) ?? first;
  let result: ReadResult = { goodBytes: 0, size: 0 };
  for (let generation = first; generation <= last; generation++) {
    if (!journals.includes(generation)) {
      if (generation === first && journals.length === 0) break;
      throw new StorageError(`${journalPath(folder, generation)} is missing`);
    }
    // A journal is begun only when the one before it is complete, so only the newest can be torn.
    result = readRecords(journalPath(folder, generation), generation === last, (payload) => {
      replay(payload, engine.store, engine.history, (entry) => engine.restoreReply(entry));
    });
  }
  history.isReplaying = false;
  const snapshotBytes = start === undefined ? 0 : statSync(snapshotPath(folder, start)).size;
  return { generation: last, goodBytes: result.goodBytes, snapshotBytes };
}

function loadSnapshot(engine: Engine, path: string): void {
  let complete = false;
  readRecords(path, false, (payload) => {
    if (replay(payload, engine.store, engine.history, (entry) => engine.restoreReply(entry)).complete) complete = true;
  });
  // The history begins with the journal: what the snapshot holds is data, not events.
  engine.history.startHere();
  if (!complete) throw new StorageError(`${path} is damaged: it has no end`);
}

function generations(folder: string, kind: 'snapshot' | 'journal'): number[] {
  const pattern = new RegExp(`^${kind}-(\\d{8})$`);
  return readdirSync(folder)
    .map((name) => Number(pattern.exec(name)?.[1] ?? 0))
    .filter((generation) => generation > 0)
    .sort((a, b) => a - b);
}

/** What a compaction that was interrupted left behind, and what its snapshot has replaced. */
export function removeLeftovers(folder: string, start: number): void {
  for (const name of readdirSync(folder)) {
    const generation = Number(/^(?:snapshot|journal)-(\d{8})$/.exec(name)?.[1] ?? start);
    if (generation < start || name.endsWith('.tmp')) rmSync(join(folder, name), { force: true });
  }
}
