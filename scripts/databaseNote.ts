import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import mongoose from 'mongoose';
import { z } from 'zod';

// Which process of a data folder runs its database stands in a file of that folder. After `kill -9` the file outlives its server, and
// another server may have taken the port; after `cp -r` it stands in two folders. So it names a run of the database by a random id,
// and the database itself says by what id and for which folder it runs.

const noteSchema = z.object({ uri: z.url(), pid: z.int().positive(), run: z.uuid() });
type Note = z.output<typeof noteSchema>;

interface Run {
  _id: string;
  run: string;
  dataDir: string;
}

/** One document, replaced at every start, in the database that belongs to a server alone: https://www.mongodb.com/docs/manual/reference/local-database/ */
const RUN_ID = 'run';
const runsOf = (client: mongoose.mongo.MongoClient) => client.db('local').collection<Run>('artifex');

const PROBE_MS = 1_000;
const noteOf = (dataDir: string): string => join(dataDir, 'database.json');

/** Lets other processes of the folder find the database that this process runs. */
export async function noteDatabase(dataDir: string, uri: string): Promise<void> {
  const run = crypto.randomUUID();
  await withClient(uri, (client) => runsOf(client).replaceOne({ _id: RUN_ID }, { run, dataDir }, { upsert: true }));
  const note: Note = { uri, pid: process.pid, run };
  // Written aside and renamed: nobody reads half a note.
  const aside = `${noteOf(dataDir)}.${run}`;
  await writeFile(aside, JSON.stringify(note));
  await rename(aside, noteOf(dataDir));
}

export async function forgetDatabase(dataDir: string): Promise<void> {
  await rm(noteOf(dataDir), { force: true });
}

/** The address of the folder's database, if it runs. */
export async function runningDatabase(dataDir: string): Promise<string | null> {
  const note = await readNote(dataDir);
  if (!note || !isAlive(note.pid) || !(await takesConnections(note.uri))) return null;
  return (await isRun(note, dataDir)) ? note.uri : null;
}

async function readNote(dataDir: string): Promise<Note | null> {
  try {
    return noteSchema.parse(JSON.parse(await readFile(noteOf(dataDir), 'utf8')));
  } catch {
    return null;
  }
}

/** A database ends a moment after the process that ran it, and takes connections until then. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function isRun({ uri, run }: Note, dataDir: string): Promise<boolean> {
  try {
    const found = await withClient(uri, (client) => runsOf(client).findOne({ _id: RUN_ID }));
    return found?.run === run && found.dataDir === dataDir;
  } catch {
    return false;
  }
}

async function withClient<Result>(
  uri: string,
  act: (client: mongoose.mongo.MongoClient) => Promise<Result>,
): Promise<Result> {
  const client = new mongoose.mongo.MongoClient(uri, {
    serverSelectionTimeoutMS: PROBE_MS,
    connectTimeoutMS: PROBE_MS,
    socketTimeoutMS: PROBE_MS,
  });
  try {
    return await act(client);
  } finally {
    await client.close();
  }
}

/** The driver would wait for a server that is not there; a socket tells at once. */
function takesConnections(uri: string): Promise<boolean> {
  const { hostname, port } = new URL(uri);
  return new Promise((resolve) => {
    const socket = createConnection({ host: hostname, port: Number(port), timeout: PROBE_MS });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
