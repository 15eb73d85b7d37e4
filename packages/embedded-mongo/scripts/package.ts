/**
 * Makes the folder `dist` that is published to npm: JavaScript with its types, since no runtime but Bun reads TypeScript from
 * `node_modules`. `node packages/embedded-mongo/scripts/package.ts [--out DIR]`, then `npm publish packages/embedded-mongo/dist`.
 */

import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { out: { type: 'string', default: join(PACKAGE, 'dist') } } });
const DIST = resolve(values.out);

rmSync(DIST, { recursive: true, force: true });
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
execFileSync(process.execPath, [compiler, '-p', join(PACKAGE, 'tsconfig.build.json'), '--outDir', DIST], {
  stdio: 'inherit',
});

const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
const { devDependencies: _, private: __, scripts: ___, ...published } = manifest;
writeFileSync(
  join(DIST, 'package.json'),
  `${JSON.stringify(
    {
      ...published,
      exports: { '.': { types: './index.d.ts', default: './index.js' } },
      bin: { 'embedded-mongo': './cli.js' },
    },
    null,
    2,
  )}\n`,
);
chmodSync(join(DIST, 'cli.js'), 0o755);
copyFileSync(join(PACKAGE, 'README.md'), join(DIST, 'README.md'));
copyFileSync(join(PACKAGE, '..', '..', 'LICENSE'), join(DIST, 'LICENSE'));
