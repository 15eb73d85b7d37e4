import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

const CALLER = `
import { MongoClient } from 'mongodb';
import { startEmbeddedMongo } from 'embedded-mongo';
const mongo = await startEmbeddedMongo();
const client = await MongoClient.connect(mongo.uri);
await client.db('shop').collection('things').insertOne({ name: 'lamp' });
console.log((await client.db('shop').collection('things').findOne()).name);
await client.close();
await mongo.stop();
`;

/** Another project, which has the package as npm would install it. */
let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'embedded-mongo-caller-'));
  const modules = join(project, 'node_modules');
  await mkdir(modules);
  await run(process.execPath, [join(PACKAGE, 'scripts', 'package.ts'), '--out', join(modules, 'embedded-mongo')]);
  for (const name of [
    'bson',
    'sorted-btree',
    'mongodb',
    'mongodb-connection-string-url',
    'tr46',
    'webidl-conversions',
  ]) {
    await symlink(join(MODULES, name), join(modules, name), 'junction');
  }
  await writeFile(join(project, 'caller.mjs'), CALLER);
});

afterAll(() => rm(project, { recursive: true, force: true }));

test.each([
  ['node', process.execPath, []],
  ['bun', join(MODULES, '.bin', 'bun'), []],
  ['deno', join(MODULES, '.bin', 'deno'), ['run', '--allow-all', '--node-modules-dir=manual']],
])('the published package starts a server for a caller on %s', async (_, runtime, flags) => {
  const { stdout } = await run(runtime, [...flags, 'caller.mjs'], { cwd: project });
  expect(stdout).toBe('lamp\n');
});

test('the published command prints the address that it serves', async () => {
  const { stdout } = await run(process.execPath, [join(project, 'node_modules', 'embedded-mongo', 'cli.js'), '--help']);
  expect(stdout).toContain('embedded-mongo [--port N] [--data DIR]');
});
