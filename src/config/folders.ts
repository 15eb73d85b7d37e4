import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
    await mkdir(folder, { recursive: true });
    await writeFile(probe, '', { flag: 'wx' });
    await rm(probe);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown';
    throw new EnvironmentError(`${variable} is ${folder}: it is no folder that can be written to (${why})`);
  }
}
