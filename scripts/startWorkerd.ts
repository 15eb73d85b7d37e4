/**
 * `npm run start:worker`: the API in workerd, with what a Worker has not by itself and a deployment has elsewhere: the database, a
 * worker that draws, the pictures, the clock of its schedule.
 */

import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { seedFirst } from '../seeds/firstSeeding.ts';
import type { Env } from '../src/config/env.ts';
import { requireWritableFolder } from '../src/config/folders.ts';
import { errorFields, type Log } from '../src/config/log.ts';
import { variables } from '../src/config/variables.ts';
import { openDevelopmentKey } from '../src/identity/developmentKey.ts';
import { developmentTrust } from '../src/identity/sessionTrust.ts';
import { imageRoutes } from '../src/routes/images.ts';
import { type Core, createCore } from '../src/runtimes/core.ts';
import { listenFailure } from '../src/runtimes/listenFailure.ts';
import { listening } from '../src/runtimes/listenNode.ts';
import { addressOf, endOnSignal, processLog, runProcess, seenOut } from '../src/runtimes/serve.ts';
import { type Database, openDatabase, tellWhoseDatabase } from './database.ts';
import { listenProxy } from './drainingProxy.ts';
import { welcome } from './welcome.ts';
import { startWorkerd } from './workerd.ts';

/** What Cloudflare's cron does by wrangler.toml. */
const SCHEDULE_MS = 60_000;
const LOCAL = { host: '127.0.0.1', port: 0 };

await runProcess(async (env) => {
  const log = processLog(env);
  await requireWritableFolder(env.storage.variable, env.storage.directory);
  const database = await openDatabase(env);
  tellWhoseDatabase(database, env, log);
  const core = createCore({ env, mongodbUri: database.uri, log });
  const pictures = await servePictures(core);
  const workerd = await startWorkerd({
    variables: { ...given(), ...(await keysOf(env)), MONGODB_URI: database.uri, PICTURES_URL: pictures.url },
    told: passOn,
  });
  const socket = await listenProxy(workerd.url, env.http).catch(async (error: unknown) => {
    await Promise.all([workerd.stop(), pictures.close(), core.close()]);
    await database.stop();
    throw listenFailure(error, env.http);
  });
  const url = addressOf(env.http.host, socket.port);
  log.info('listening', { url });
  const clock = setInterval(() => runSchedule(workerd.url, log), SCHEDULE_MS);
  const behind = workBehind(core, env, database);
  let isEnding = false;

  endOnSignal(log, async () => {
    isEnding = true;
    clearInterval(clock);
    await seenOut(socket.close(), log);
    await Promise.all([workerd.stop(), behind.stop()]);
    await pictures.close();
    await core.close();
    await database.stop();
    log.info('stopped');
  });
  workerd.gone.then(() => {
    if (isEnding) return;
    log.error('workerd has ended by itself');
    process.kill(process.pid, 'SIGTERM');
    process.exitCode = 1;
  });
  if (await behind.started) console.log(await welcome(env, url));
});

/** The Worker gets what this process was given, and nothing else of its environment. */
function given(): Record<string, string> {
  const entries = Object.keys(variables.shape).map((name) => [name, process.env[name] ?? ''] as const);
  return { NODE_ENV: 'development', ...Object.fromEntries(entries.filter(([, value]) => value !== '')) };
}

/** A Worker cannot read the development key: it is told whom to trust. */
async function keysOf(env: Env): Promise<Record<string, string>> {
  if (env.clerk.jwtKey !== undefined) return {};
  await requireWritableFolder('ARTIFEX_DATA_DIR', env.dataDir);
  const trust = developmentTrust((await openDevelopmentKey(env.dataDir)).publicKeyPem);
  return { CLERK_JWT_KEY: trust.jwtKey, CLERK_PUBLISHABLE_KEY: trust.publishableKey };
}

/** The pictures of this machine, for the Worker, which hands them out under its own address. */
async function servePictures({ storage }: Core): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(getRequestListener(imageRoutes({ storage }).fetch));
  const socket = await listening(server, LOCAL);
  return { url: addressOf(LOCAL.host, socket.port), close: socket.close };
}

/** Seeds a new database and works on generations, as soon as the database is reached. */
function workBehind(core: Core, env: Env, database: Database): { started: Promise<boolean>; stop(): Promise<void> } {
  const giveUp = new AbortController();
  let stopWorking = async () => {};

  async function start(): Promise<boolean> {
    try {
      await core.connect({ signal: giveUp.signal });
    } catch (error) {
      if (giveUp.signal.aborted) return false;
      throw error;
    }
    if (database.kind !== 'given') await seedFirst(core.ctx);
    if (env.worker.isEnabled) {
      const worker = core.startWorker();
      stopWorking = () => worker.stop();
    }
    return true;
  }

  const started = start();
  return {
    started,
    async stop() {
      giveUp.abort(new Error('Stopped before the database was reached'));
      await started;
      await stopWorking();
    },
  };
}

/** https://developers.cloudflare.com/workers/configuration/cron-triggers/#test-cron-triggers-locally */
function runSchedule(url: string, log: Log): void {
  fetch(`${url}/cdn-cgi/local/scheduled`)
    .then((response) => response.arrayBuffer())
    .catch((error: unknown) => log.warn('the schedule could not be run', errorFields(error)));
}

/** The Worker's own log, and what goes wrong: the rest is wrangler's talk. */
function passOn(line: string): void {
  if (line.startsWith('{') || /error/i.test(line)) process.stderr.write(`${line}\n`);
}
