import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { EnvironmentError } from '@/config/env.ts';
import { requireWritableFolder } from '@/config/folders.ts';
import { temporaryFolder } from '../support/processes.ts';

describe('a folder that the environment names', () => {
  it('is made with all that lies above it, also by several at once, and left as it was found', async () => {
    const { path, remove } = await temporaryFolder();
    const folder = `${path}/a/b/c`;
    await Promise.all([1, 2, 3].map(() => requireWritableFolder('STORAGE_URL', folder)));
    await mkdir(`${folder}/d`);
    await requireWritableFolder('STORAGE_URL', folder);
    expect(await readdir(folder)).toEqual(['d']);
    await remove();
  });

  it('is refused by the name of its variable where a file is in its place', async () => {
    const { path, remove } = await temporaryFolder();
    await writeFile(`${path}/file`, '');
    for (const folder of [`${path}/file`, `${path}/file/below`]) {
      await expect(requireWritableFolder('STORAGE_URL', folder)).rejects.toThrow(EnvironmentError);
      await expect(requireWritableFolder('STORAGE_URL', folder)).rejects.toThrow(/^STORAGE_URL is .*ENOTDIR/);
    }
    await remove();
  });

  it.skipIf(process.platform !== 'linux')('is refused at once where a file system has no place for it', async () => {
    await expect(requireWritableFolder('ARTIFEX_DATA_DIR', '/proc/nothing/below')).rejects.toThrow(
      /^ARTIFEX_DATA_DIR is \/proc\/nothing\/below: .*ENOENT/,
    );
  });
});
