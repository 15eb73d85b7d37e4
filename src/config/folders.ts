import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EnvironmentError } from './env.ts';

/**
 * Makes the folder unless it is there, and writes to it once: permissions alone do not tell of a file system that takes no files.
 *
 * @param variable the one that says where the folder is
 * @throws {EnvironmentError}
 */
export async function requireWritableFolder(variable: string, folder: string): Promise<void> {
  const probe = join(folder, `.probe-${crypto.randomUUID()}`);
  try {
    await makeFolder(folder);
    await writeFile(probe, '', { flag: 'wx' });
    await rm(probe);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown';
    throw new EnvironmentError(`${variable} is ${folder}: it is no folder that can be written to (${why})`);
  }
}

/** Step by step: Node's own `recursive` tries for ever where a folder is there and says ENOENT to what is made in it, as /proc does. */
async function makeFolder(folder: string): Promise<void> {
  if (await isMade(folder)) return;
  await makeFolder(dirname(folder));
  if (!(await isMade(folder))) await mkdir(folder);
}

/** False where something above is missing, or said to be. */
async function isMade(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return false;
    if (code === 'EEXIST') return true;
    throw error;
  }
}
