import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { diskStorage } from '@/storage/disk.ts';

const BYTES = Uint8Array.of(1, 2, 3, 250);
const NAME = /^[A-Za-z0-9_-]{24}\.(png|jpg|webp)$/;

/** A folder that does not exist yet, in one that goes when the test ends. */
async function freshFolder(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'pictures-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  return join(parent, 'data', 'images');
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(relative(folder, entry.parentPath), entry.name));
}

describe('a stored picture', () => {
  it.each([
    ['image/png', 'png'],
    ['image/jpeg', 'jpg'],
    ['image/webp', 'webp'],
  ])('of %s comes back whole, with its type, under a name that ends in .%s', async (contentType, ending) => {
    const storage = diskStorage(await freshFolder());
    const name = await storage.put(BYTES, contentType);
    expect(name).toMatch(NAME);
    expect(name.endsWith(`.${ending}`)).toBe(true);
    const found = await storage.get(name);
    expect(found?.contentType).toBe(contentType);
    expect([...(found?.bytes ?? [])]).toEqual([...BYTES]);
  });

  it('survives the process: another storage of the same folder finds it', async () => {
    const folder = await freshFolder();
    const name = await diskStorage(folder).put(BYTES, 'image/png');
    expect(await diskStorage(folder).get(name)).not.toBeNull();
  });

  it('lies where it was put although the folder was given relative to the working directory', async () => {
    const folder = await freshFolder();
    const name = await diskStorage(relative(process.cwd(), folder)).put(BYTES, 'image/png');
    expect(await diskStorage(folder).get(name)).not.toBeNull();
  });

  it('of any bytes comes back as these bytes', async () => {
    const storage = diskStorage(await freshFolder());
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (bytes) => {
        const found = await storage.get(await storage.put(bytes, 'image/webp'));
        expect([...(found?.bytes ?? [])]).toEqual([...bytes]);
      }),
      { numRuns: 30 },
    );
  });

  it('has a name of its own, though the bytes are the same and all are stored at once', async () => {
    const folder = await freshFolder();
    const storage = diskStorage(folder);
    const names = await Promise.all(Array.from({ length: 100 }, () => storage.put(BYTES, 'image/png')));
    expect(new Set(names).size).toBe(100);
    const files = await filesIn(folder);
    expect(files.sort()).toEqual(names.map((name) => join(name.slice(0, 2), name)).sort());
    // A hundred names in 4096 subfolders: no folder grows with all of them.
    expect(new Set(files.map((file) => dirname(file))).size).toBeGreaterThan(50);
  });

  it('is gone after it was removed, and removing it again is no error', async () => {
    const folder = await freshFolder();
    const storage = diskStorage(folder);
    const name = await storage.put(BYTES, 'image/png');
    await storage.remove(name);
    await storage.remove(name);
    expect(await storage.get(name)).toBeNull();
    expect(await filesIn(folder)).toEqual([]);
  });
});

describe('what is not a stored picture', () => {
  it('is null: a name of the right form that nobody was given, even before the folder exists', async () => {
    expect(await diskStorage(await freshFolder()).get(`${'A'.repeat(24)}.png`)).toBeNull();
  });

  it('is null: a picture that is still being written', async () => {
    const folder = await freshFolder();
    const name = `${'A'.repeat(24)}.png`;
    await mkdir(join(folder, 'AA'), { recursive: true });
    await writeFile(join(folder, 'AA', `${name}.part`), BYTES);
    const storage = diskStorage(folder);
    expect(await storage.get(name)).toBeNull();
    expect(await storage.get(`${name}.part`)).toBeNull();
  });

  it('of another type is refused and leaves nothing behind', async () => {
    const folder = await freshFolder();
    await expect(diskStorage(folder).put(BYTES, 'image/svg+xml')).rejects.toThrow(TypeError);
    await expect(readdir(folder)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('a folder that cannot be written is the error of the file system, and not a lost picture', async () => {
    const folder = await freshFolder();
    await mkdir(dirname(folder), { recursive: true });
    await writeFile(folder, 'in the way');
    await expect(diskStorage(folder).put(BYTES, 'image/png')).rejects.toThrow();
  });

  it('no name, however hostile, reads or removes a file that is not a picture of the storage', async () => {
    const folder = await freshFolder();
    const storage = diskStorage(folder);
    const good = await storage.put(BYTES, 'image/png');
    const secrets = [
      join(dirname(folder), 'secret.png'),
      join(folder, 'secret.png'),
      join(folder, good.slice(0, 2), 'x.png'),
    ];
    for (const secret of secrets) await writeFile(secret, 'secret');

    const piece = fc.constantFrom(
      '..',
      '.',
      '/',
      '\\',
      '%2e%2e',
      '%2f',
      '\0',
      '\n',
      'secret',
      '.png',
      good,
      good.slice(0, 2),
      folder,
      'x',
    );
    const hostile = fc.oneof(
      fc.array(fc.oneof(piece, fc.string()), { maxLength: 8 }).map((pieces) => pieces.join('')),
      fc.constantFrom(
        ...secrets,
        ...secrets.map((secret) => relative(folder, secret)),
        `${good}\n`,
        ` ${good}`,
        `./${good}`,
        `${good}/`,
        good.replace('.png', '.gif'),
        good.replace('.png', ''),
      ),
      fc.string({ minLength: 24, maxLength: 24 }).map((name) => `${name}.png`),
    );
    await fc.assert(
      fc.asyncProperty(hostile, async (name) => {
        fc.pre(name !== good);
        expect(await storage.get(name)).toBeNull();
        await storage.remove(name);
      }),
      { numRuns: 500 },
    );
    for (const secret of secrets) expect(await readFile(secret, 'utf8')).toBe('secret');
    expect(await storage.get(good)).not.toBeNull();
  });
});
