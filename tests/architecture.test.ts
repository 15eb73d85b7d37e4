import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { breachesOf, PARTS } from './toolchain/architecture.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

async function ourSources(): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  const patterns = ['src/**/*.ts', 'packages/*/{src,tests,bench}/**/*.ts'];
  for await (const path of glob(patterns, { cwd: ROOT })) {
    sources.set(path.replaceAll('\\', '/'), await readFile(new URL(`../${path}`, import.meta.url), 'utf8'));
  }
  return sources;
}

/** A made-up product: the files that are named, and those that they import, which are empty. */
function breachesIn(files: Record<string, string>): string[] {
  const others = ['src/routes/a.ts', 'src/domain/a.ts', 'src/repositories/a.ts', 'src/jobs/a.ts', 'src/app.ts'];
  return breachesOf(new Map([...others.map((file) => [file, ''] as const), ...Object.entries(files)]));
}

describe('the architecture', () => {
  it('is kept by every file', async () => {
    const sources = await ourSources();

    expect(sources.size).toBeGreaterThan(100);
    expect(breachesOf(sources)).toEqual([]);
  });

  it('has a table that runs one way', () => {
    const order = Object.keys(PARTS);

    for (const [part, imported] of Object.entries(PARTS)) {
      const below = order.slice(order.indexOf(part) + 1);
      expect(below, part).toEqual(expect.arrayContaining([...imported]));
    }
  });
});

describe('an import against the direction', () => {
  const TARGET = '../routes/a.ts';

  it.each([
    ['of a value', `import { a } from '${TARGET}';`],
    ['of a type', `import type { A } from '${TARGET}';`],
    ['for its effect', `import '${TARGET}';`],
    ['that is passed on', `export { a } from '${TARGET}';`],
    ['of everything that is passed on', `export * from '${TARGET}';`],
    ['of a type that is passed on', `export type { A } from '${TARGET}';`],
    ['at run time', `const a = await import('${TARGET}');`],
    ['at run time, in a template', `const a = await import(\`${TARGET}\`);`],
    ['within a type', `type A = import('${TARGET}').A;`],
    ['of the type of a module', `type A = typeof import('${TARGET}');`],
    ['in the manner of CommonJS', `const a = require('${TARGET}');`],
    ['as an assignment', `import a = require('${TARGET}');`],
    ['by the alias', "import { a } from '@/routes/a.ts';"],
  ])('is a breach: %s', (_, line) => {
    const file = 'src/repositories/users.ts';

    expect(breachesIn({ [file]: `// first\n\n${line}\n` })).toEqual([
      `${file}:3: repositories must not import routes (src/routes/a.ts)`,
    ]);
  });

  it.each([
    ['src/domain/rules.ts', "import '../repositories/a.ts';", 'domain must not import repositories'],
    ['src/models/User.ts', "import '../repositories/a.ts';", 'models must not import repositories'],
    ['src/workflows/charge.ts', "import '../jobs/a.ts';", 'workflows must not import jobs'],
    ['src/jobs/worker.ts', "import '../app.ts';", 'jobs must not import app'],
    ['src/runtimes/node.ts', "import '../routes/a.ts';", 'runtimes must not import routes'],
    ['src/models/plugins/deep.ts', "import '../../repositories/a.ts';", 'models must not import repositories'],
    ['src/domain/rules.ts', "import './missing.ts';", 'which is no file'],
    ['src/domain/rules.ts', "import './a';", 'which is no file'],
    ['src/domain/rules.ts', 'const a = await import(name);', 'only a run can tell'],
    ['src/novel/a.ts', "import '../domain/a.ts';", 'novel has no row'],
    ['src/routes/b.ts', "import '../../seeds/people.ts';", 'no part of the product'],
    ['src/routes/b.ts', "import '../../tests/support/api.ts';", 'no part of the product'],
    ['src/domain/rules.ts', "import manifest from '../../package.json';", 'no part of the product'],
    ['src/runtimes/node.ts', "import { startEmbeddedMongo } from 'embedded-mongo';", 'any MongoDB server must do'],
    ['src/runtimes/node.ts', "await import('embedded-mongo/cli');", 'any MongoDB server must do'],
    ['src/runtimes/node.ts', "import '../../packages/embedded-mongo/src/index.ts';", 'no part of the product'],
    ['packages/embedded-mongo/src/a.ts', "import '../../../src/domain/a.ts';", 'nothing of Artifex'],
    ['packages/embedded-mongo/src/a.ts', "import type { A } from '@/domain/a.ts';", 'nothing of Artifex'],
    ['packages/embedded-mongo/tests/a.test.ts', "import '../../../tests/support/api.ts';", 'nothing of Artifex'],
  ])('is a breach: in %s, %s', (file, line, problem) => {
    expect(breachesIn({ [file]: line })).toEqual([expect.stringContaining(problem)]);
  });

  it.each([
    ['src/repositories/users.ts', "import '../domain/a.ts';"],
    ['src/repositories/users.ts', "import './a.ts';"],
    ['src/app.ts', "import './routes/a.ts';"],
    ['src/runtimes/node.ts', "import '../app.ts';"],
    ['src/runtimes/node.ts', "import 'mongoose';\nimport 'node:net';"],
    ['src/routes/b.ts', "import manifest from '../../package.json' with { type: 'json' };"],
    ['src/domain/rules.ts', "// import '../routes/a.ts';\nconst text = \"import '../routes/a.ts'\";"],
    ['packages/embedded-mongo/src/a.ts', "import './b.ts';\nimport 'bson';"],
  ])('is none: in %s, %s', (file, line) => {
    expect(breachesIn({ [file]: line })).toEqual([]);
  });
});

describe('the environment', () => {
  it.each([
    'const a = process.env.A;',
    "const a = process['env'].A;",
    'const { env } = process;',
    'const a = globalThis.process.env.A;',
    'const a = Bun.env.A;',
    "const a = Deno.env.get('A');",
    'const a = import.meta.env.A;',
    "import { env } from 'node:process';",
    "import process from 'process';",
    'read(process.env);',
  ])('is read by entry points only: %s', (line) => {
    const file = 'src/config/env.ts';

    expect(breachesIn({ [file]: `\n${line}` })).toEqual([expect.stringContaining(`${file}:2: only entry points`)]);
    expect(breachesIn({ 'src/runtimes/serve.ts': line })).toEqual([]);
  });

  it.each(['const a = c.env.A;', 'process.exit(1);', '/** readEnv(process.env) */', 'const env = readEnv(bindings);'])(
    'is not read by: %s',
    (line) => {
      expect(breachesIn({ 'src/domain/rules.ts': line })).toEqual([]);
    },
  );
});
