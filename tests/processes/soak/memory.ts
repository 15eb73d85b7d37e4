import { execFileSync } from 'node:child_process';

/** Kilobytes of memory that a process holds, or null when it is gone. */
export function residentKilobytes(pid: number | undefined): number | null {
  if (pid === undefined) return null;
  try {
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }).trim());
  } catch {
    return null;
  }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
