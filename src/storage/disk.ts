import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { contentTypeOf, newName } from './names.ts';
import type { PictureStorage } from './port.ts';

/** Leading characters that name the subfolder: 4096 of them share what would else be one endless folder. */
const SHARD_LENGTH = 2;

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Makes the entries of a folder durable: a file that is synced can still lose its name in a crash. */
async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders; its file systems journal names by themselves.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  // Every new folder is an entry of the one above it.
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  // Exclusive: a name is random, so a file that is already there is somebody else's.
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Pictures in a folder of this machine, which is made when it is missing.
 *
 * A picture is under its name wholly or not at all, and survives a crash once `put` has resolved. A crash during `put`
 * may leave a file with the ending `.part` behind, which `get` never serves.
 *
 * `put` throws a `TypeError` for a content type other than PNG, JPEG and WebP; all three pass the file system's own
 * errors on (a full disk, a lacking permission).
 */
export function diskStorage(directory: string): PictureStorage {
  const root = resolve(directory);

  function pathOf(name: string): string {
    return join(root, name.slice(0, SHARD_LENGTH), name);
  }
  return {
    async put(bytes, contentType) {
      const name = newName(contentType);
      const path = pathOf(name);
      const unfinished = `${path}.part`;
      await makeFolder(dirname(path));
      try {
        await writeDurably(unfinished, bytes);
        await rename(unfinished, path);
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
      await syncFolder(dirname(path));
      return name;
    },

    async get(name) {
      const contentType = contentTypeOf(name);
      if (contentType === null) return null;
      try {
        return { bytes: await readFile(pathOf(name)), contentType };
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },

    async remove(name) {
      if (contentTypeOf(name) !== null) await rm(pathOf(name), { force: true });
    },
  };
}
