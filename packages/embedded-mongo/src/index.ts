import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { engineRuntime, heapFlags } from './runtime.ts';

export interface EmbeddedMongoOptions {
  /** Where the data is kept. Without it everything is in memory and gone after {@link EmbeddedMongo.stop}. */
  readonly dataDir?: string;
  /** Any free port unless given. */
  readonly port?: number;
  /** Loopback unless told otherwise. */
  readonly host?: string;
  /** The name of the replica set that the server presents itself as. */
  readonly replicaSet?: string;
}

export interface EmbeddedMongo {
  /** The address for a driver, without a database. */
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  /** The process that runs the engine. */
  readonly pid: number;
  /** The address with a database in it. */
  uriFor(database: string): string;
  /** Ends the engine; everything acknowledged is in the data folder by then. */
  stop(): Promise<void>;
}

/**
 * Starts a MongoDB-compatible server in a process of its own and resolves when it takes connections.
 *
 * @example
 * const mongo = await startEmbeddedMongo();
 * await mongoose.connect(mongo.uri, { dbName: 'shop' });
 * // ...
 * await mongo.stop();
 */
export async function startEmbeddedMongo(options: EmbeddedMongoOptions = {}): Promise<EmbeddedMongo> {
  const host = options.host ?? '127.0.0.1';
  const settings = {
    host,
    port: options.port ?? 0,
    dataDir: options.dataDir,
    replicaSet: options.replicaSet ?? 'rs0',
  };
  // TypeScript where this is the source, JavaScript where it is the published package.
  const script = fileURLToPath(new URL(`./process${extname(import.meta.url)}`, import.meta.url));
  const runtime = engineRuntime(extname(script));
  const child = spawn(runtime, [...heapFlags(runtime), script, JSON.stringify(settings)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      ...process.env,
      // Flags meant for the caller, such as a debugger's port, are not for the engine.
      NODE_OPTIONS: '',
      // Compiled code is kept between starts: it halves the time until the server listens.
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(tmpdir(), 'node-compile-cache'),
    },
  });
  const port = await ready(child);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  // A caller that has nothing else to do may end; the closing pipe then ends the engine.
  for (const handle of [child, child.stdin, child.stdout]) unref(handle);
  const query = '?directConnection=true';
  return {
    uri: `mongodb://${host}:${port}/${query}`,
    host,
    port,
    pid: child.pid ?? 0,
    uriFor: (database) => `mongodb://${host}:${port}/${encodeURIComponent(database)}${query}`,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      child.stdin?.end();
      await exited;
    },
  };
}

/** Pipes have it too, although the types do not say so. */
function unref(handle: object | null): void {
  if (handle !== null && 'unref' in handle && typeof handle.unref === 'function') handle.unref();
}

/** The port that the child reports, or the reason why it cannot start. */
function ready(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`embedded-mongo ended before it was ready (exit code ${code})`)));
    child.stdout?.setEncoding('utf8');
    child.stdout?.on('data', (text: string) => {
      output += text;
      const end = output.indexOf('\n');
      if (end < 0) return;
      const message = JSON.parse(output.slice(0, end)) as { port?: number; error?: string };
      if (message.port === undefined) reject(new Error(`embedded-mongo: ${message.error}`));
      else resolve(message.port);
    });
  });
}
