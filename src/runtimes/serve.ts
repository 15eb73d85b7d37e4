import { type Env, EnvironmentError, readEnv } from '../config/env.ts';
import { createLog, errorFields, type Log } from '../config/log.ts';
import { listenFailure } from './listenFailure.ts';
import { createService, type Service } from './service.ts';

/** A socket that answers with `fetch`. */
export type Listen = (fetch: Service['fetch'], address: { host: string; port: number }) => Promise<Listening>;

export interface Listening {
  port: number;
  /** Takes no more requests, and resolves when those under way have been answered. */
  close(): Promise<void>;
}

export interface Serving {
  /** Where it is reached, without a slash at the end. */
  url: string;
  service: Service;
  /** Answers what is under way, gives leases back, closes the database. Once, however often it is called. */
  stop(): Promise<void>;
}

/** Milliseconds that is waited for whoever is still sending a request, or taking an answer, when the process ends. */
const PATIENCE_MS = 20_000;

/** Milliseconds after which a shutdown that hangs is cut off. */
const SHUTDOWN_DEADLINE_MS = 25_000;

/** Milliseconds after which another signal means that somebody does not want to wait. */
const IMPATIENCE_MS = 2_000;

/** Serves the API and, unless the environment says otherwise, works on generations. */
export async function serve(options: { env: Env; mongodbUri: string; log: Log; listen: Listen }): Promise<Serving> {
  const { env, log, listen } = options;
  const service = await createService(options);
  const { host } = env.http;
  const socket = await listen(service.fetch, env.http).catch(async (error: unknown) => {
    await service.stop();
    throw listenFailure(error, env.http);
  });
  const url = addressOf(host, socket.port);
  log.info('listening', { url });
  let stopped: Promise<void> | undefined;

  async function stop(): Promise<void> {
    // First no new connections: whoever's stream ends comes back elsewhere.
    const closed = socket.close();
    await service.endStreams();
    await seenOut(closed, log);
    await service.stop();
    log.info('stopped');
  }

  return {
    url,
    service,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/**
 * Resolves when everybody has been answered (`closed`), or has had the time for it: who sends half a request and no more, or does not read
 * its answer, keeps nobody else from ending cleanly. Its connection ends with the process.
 */
export async function seenOut(closed: Promise<void>, log: Log): Promise<void> {
  const late = Promise.withResolvers<void>();
  const patience = setTimeout(() => {
    log.warn('some connections are cut off: they were not done in time');
    late.resolve();
  }, PATIENCE_MS);
  await Promise.race([closed, late.promise]);
  clearTimeout(patience);
}

export function addressOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Runs a process. A bad environment is printed, a line per variable, and ends it with a non-zero status. */
export async function runProcess(run: (env: Env) => Promise<void>): Promise<void> {
  try {
    await run(readEnv(process.env));
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/** The log of a server process: a line of JSON each, on standard error. Lines of one turn of the event loop go together. */
export function processLog(env: Env): Log {
  let lines = '';
  const flush = () => {
    const text = lines;
    lines = '';
    if (text !== '') process.stderr.write(text);
  };
  // Whatever ends the process, but a signal that nothing can catch, lets this happen.
  process.on('exit', flush);
  return createLog({
    level: env.logLevel,
    write(line) {
      if (lines === '') setImmediate(flush);
      lines += `${line}\n`;
    },
  });
}

/**
 * Ends the process cleanly at the first SIGINT or SIGTERM. One that comes seconds later does not wait; one that comes
 * sooner is the same one, which a terminal sends to the whole group and npm hands on besides.
 */
export function endOnSignal(log: Log, stop: () => Promise<void>): void {
  let endingSince: number | undefined;
  const end = (signal: NodeJS.Signals) => {
    if (endingSince !== undefined) {
      if (performance.now() - endingSince > IMPATIENCE_MS) process.exit(1);
      return;
    }
    endingSince = performance.now();
    log.info('ending', { signal });
    setTimeout(() => process.exit(1), SHUTDOWN_DEADLINE_MS).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('the shutdown failed', errorFields(error));
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
}

/** A server process of its own, as production runs it. */
export function main(listen: Listen): Promise<void> {
  return runProcess(async (env) => {
    if (env.mongodbUri === undefined) {
      throw new EnvironmentError('MONGODB_URI is missing: give the address of a MongoDB server, or use `npm start`');
    }
    const log = processLog(env);
    const serving = await serve({ env, mongodbUri: env.mongodbUri, log, listen });
    endOnSignal(log, () => serving.stop());
  });
}
