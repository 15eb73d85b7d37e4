import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from './journal-file.ts';

/**
 * Holds a data folder for this process. The lock file names the process and when it started, so that neither a dead
 * process nor another one with its number keeps the folder. Returns what releases it.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'LOCK');
  const mine = join(folder, `LOCK.${process.pid}`);
  const content = `${process.pid} ${startOf(process.pid)}\n`;
  writeFileSync(mine, content);
  try {
    // A link either appears with its content or fails: nobody ever reads half a lock.
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        linkSync(mine, path);
        return () => {
          if (readLock(path) === content) rmSync(path, { force: true });
        };
      } catch (error) {
        if (!isCode(error, 'EEXIST')) throw error;
      }
      const holder = readLock(path);
      if (holder !== undefined) removeStale(folder, path, holder);
    }
    throw new StorageError(`the data folder ${folder} is in use by another process`);
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Takes away the lock of a process that is gone. Renaming lets only one of several contenders succeed. */
function removeStale(folder: string, path: string, holder: string): void {
  const [pid = Number.NaN, started] = holder.trim().split(' ').map(Number);
  if (isRunning(pid) && (started === 0 || startOf(pid) === 0 || startOf(pid) === started)) {
    throw new StorageError(`the data folder ${folder} is in use by process ${pid}`);
  }
  const aside = join(folder, `LOCK.stale.${process.pid}`);
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  const taken = readLock(aside);
  // Somebody else had replaced the stale lock by his own in between: give it back.
  if (taken !== holder) renameSync(aside, path);
  else rmSync(aside, { force: true });
}

function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    // A killed process whose parent does not ask for its end stays in the table, and holds nothing any more.
    return !['Z', 'X'].includes(fieldsOf(pid)[STATE] ?? '');
  } catch (error) {
    return isCode(error, 'EPERM');
  }
}

/** When a process started, in the kernel's ticks; 0 where the system does not tell. */
function startOf(pid: number): number {
  return Number(fieldsOf(pid)[START_TIME]) || 0;
}

/** Places in /proc/PID/stat behind the command, counted from 0 (proc_pid_stat(5)). */
const STATE = 0;
const START_TIME = 19;

/** What the kernel says of a process, behind its command, which may hold anything; empty where the system does not tell. */
function fieldsOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
