import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const ROW = /^\| [^|]+ \| [^|]+ \| `(tests\/[^`]+)` "([^"]+)" \|$/gm;

it('every threat of docs/security.md names a test that there is', async () => {
  const text = await readFile(new URL('../../docs/security.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(ROW)];
  expect(rows.length).toBeGreaterThan(15);
  for (const [, file = '', name = ''] of rows) {
    expect(await readFile(new URL(`../../${file}`, import.meta.url), 'utf8'), `${file}: ${name}`).toContain(name);
  }
});
