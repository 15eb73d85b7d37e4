import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ImageGenerationModel, SubscriptionModel, UserModel } from '@/models';
import { DatabaseUtils } from '@/utils/database';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}${path}`, 'utf8');
const document = read('docs/specification.md');

interface Row {
  item: string;
  built: string;
  proof: string;
}

const rows: Row[] = document
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| item ') && !line.startsWith('| --- '))
  .map((line) => {
    const [, item = '', built = '', proof = ''] = line.split(' | ').join('|').split('|');
    return { item: item.trim(), built: built.trim(), proof: proof.trim() };
  });

const pathsIn = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);

/** The tests that a cell names: `path` "name", "name"; `path` "name". */
function testsIn(cell: string): { path: string; name: string }[] {
  const tests: { path: string; name: string }[] = [];
  let path = '';
  for (const [, file, name] of cell.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
    if (file !== undefined) path = file;
    if (name !== undefined) tests.push({ path, name });
  }
  return tests;
}

/** Whether a file has a test or group of that title: the title stands at the start of a literal that such a call is given. */
function hasTest(path: string, name: string): boolean {
  const titles = read(path)
    .replaceAll("\\'", "'")
    .matchAll(/^\s*(?:(?:it|test|describe)\b.*?\(|\]\)\(|\s)\s*(['"`])(.*)\1/gm);
  return [...titles].some(([, , title = '']) => title.startsWith(name));
}

describe('the table of the specification', () => {
  it('has a row for everything, and each says where and by what', () => {
    expect(rows.length).toBeGreaterThan(90);
    const empty = rows.filter(({ built, proof }) => built === '' || testsIn(proof).length === 0);
    expect(empty).toEqual([]);
  });

  it('names files that there are', () => {
    const paths = rows.flatMap(({ built, proof }) => [...pathsIn(built), ...testsIn(proof).map(({ path }) => path)]);
    expect(paths.filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([]);
  });

  it('names tests that there are', () => {
    const missing = rows.flatMap(({ proof }) => testsIn(proof)).filter(({ path, name }) => !hasTest(path, name));
    expect(missing).toEqual([]);
  });

  it('names every method, static and function that is exported', () => {
    const items = rows.map(({ item }) => item).join('\n');
    const schemas = [UserModel, SubscriptionModel, ImageGenerationModel].map(({ schema }) => schema);
    /** Mongoose's own. */
    const foreign = ['initializeTimestamps'];
    const names = [
      ...schemas.flatMap(({ methods, statics }) => [...Object.keys(methods), ...Object.keys(statics)]),
      ...Object.keys(DatabaseUtils),
    ];
    expect(names.length).toBeGreaterThan(40);
    expect(names.filter((name) => !foreign.includes(name) && !new RegExp(`\`${name}\\b`).test(items))).toEqual([]);
  });
});
