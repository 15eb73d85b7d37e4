import { openFolder } from '../storage/recovery.ts';
import { WireServer } from '../wire/server.ts';
import { Engine } from './engine.ts';

export interface ServeOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Without a folder all data is in memory only. */
  readonly dataDir: string | undefined;
  readonly replicaSet: string;
}

export interface Serving {
  readonly port: number;
  stop(): Promise<void>;
}

/** Runs the server in this process. Rejects with a one-line message when the folder or the port cannot be had. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const engine = new Engine(options.replicaSet);
  engine.host = options.host;
  if (options.dataDir !== undefined) openFolder(engine, options.dataDir, giveUp);
  const wire = new WireServer(engine);
  try {
    engine.port = await wire.listen(options.port, options.host);
  } catch (error) {
    await engine.close();
    throw new Error(listenMessage(error, options));
  }
  engine.ttl.start();
  return {
    port: engine.port,
    async stop() {
      await wire.close();
      await engine.close();
    },
  };
}

/** What is in memory is not on disk any more: going on would acknowledge writes that a restart does not find. */
function giveUp(error: unknown): never {
  process.stderr.write(
    `embedded-mongo: cannot write the journal: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exit(14);
}

function listenMessage(error: unknown, { host, port }: ServeOptions): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `port ${port} on ${host} is already in use`;
  if (code === 'EACCES') return `port ${port} on ${host} may not be used by this user`;
  return `cannot listen on ${host}:${port}: ${error instanceof Error ? error.message : String(error)}`;
}
