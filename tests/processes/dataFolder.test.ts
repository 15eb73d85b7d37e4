import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { startEmbeddedMongo } from 'embedded-mongo';
import { afterEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../scripts/database.ts';
import { readEnv } from '../../src/config/env.ts';
import { startProcess, temporaryFolder } from '../support/processes.ts';

const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

async function newFolder(): Promise<string> {
  const { path, remove } = await temporaryFolder();
  ended.push(remove);
  return path;
}

async function open(dataDir: string) {
  const database = await openDatabase(readEnv({ ARTIFEX_DATA_DIR: dataDir }));
  ended.push(() => database.stop());
  return database;
}

const noteOf = (dataDir: string) => `${dataDir}/database.json`;

describe('the database of a data folder', () => {
  it('is one for all processes that start at once, and is run by one of them', async () => {
    const folder = await newFolder();
    const databases = await Promise.all([open(folder), open(folder), open(folder)]);
    expect(new Set(databases.map(({ uri }) => uri)).size).toBe(1);
    expect(databases.map(({ kind }) => kind).sort()).toEqual(['own', 'shared', 'shared']);
  });

  it('is not another server that has the port of one that was killed', async () => {
    const folder = await newFolder();
    const killed = await open(folder);
    const note = await readFile(noteOf(folder), 'utf8');
    await killed.stop();
    const stranger = await startEmbeddedMongo({ port: Number(new URL(killed.uri).port) });
    ended.push(() => stranger.stop());
    await writeFile(noteOf(folder), note);
    const next = await open(folder);
    expect(next).toMatchObject({ kind: 'own' });
    expect(next.uri).not.toBe(killed.uri);
  });

  it('is not the one of the folder that this one was copied from', async () => {
    const [original, copy] = [await newFolder(), `${await newFolder()}/copy`];
    const first = await open(original);
    await mkdir(copy);
    await copyFile(noteOf(original), noteOf(copy));
    const second = await open(copy);
    expect(second).toMatchObject({ kind: 'own' });
    expect(second.uri).not.toBe(first.uri);
  });

  it('is found also where the note is broken', async () => {
    const folder = await newFolder();
    await writeFile(noteOf(folder), '{"uri":"mongodb://127.0.0.1:9/');
    expect(await open(folder)).toMatchObject({ kind: 'own' });
  });
});

describe('a second npm start in one data folder', () => {
  it("says that it uses the first one's database", async () => {
    const environment = { NODE_ENV: undefined, MONGODB_URI: undefined, ARTIFEX_DATA_DIR: await newFolder() };
    const start = () => startProcess('node', ['scripts/run.mjs', 'start'], environment);
    const untilServing = (server: ReturnType<typeof start>) =>
      server.waitFor((line) => /^curl .*limit=1/.exec(line)?.[0]);
    const told = (server: ReturnType<typeof start>) =>
      server.output.filter((line) => line.includes('is used here too'));
    const first = start();
    ended.push(() => first.end());
    await untilServing(first);
    const second = start();
    ended.push(() => second.end());
    await untilServing(second);
    expect([told(first).length, told(second).length]).toEqual([0, 1]);
  });
});
