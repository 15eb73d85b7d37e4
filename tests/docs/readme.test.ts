import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const LINK = /\]\(((?:docs\/|CONTRIBUTING)[^)#]*)(?:#[^)]*)?\)/g;

async function links(): Promise<string[]> {
  const text = await readFile(new URL('README.md', ROOT), 'utf8');
  return [...text.matchAll(LINK)].map(([, target = '']) => target);
}

it('README.md leads to every page of docs/', async () => {
  const pages = (await readdir(new URL('docs/', ROOT))).filter((name) => name.endsWith('.md'));
  expect(pages.length).toBeGreaterThan(8);
  expect(await links()).toEqual(expect.arrayContaining(pages.map((page) => `docs/${page}`)));
});

it('README.md names every part of src/', async () => {
  const text = await readFile(new URL('README.md', ROOT), 'utf8');
  const entries = await readdir(new URL('src/', ROOT), { withFileTypes: true });
  const parts = entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${name}/`);
  expect(parts.filter((part) => !text.includes(part))).toEqual([]);
});
