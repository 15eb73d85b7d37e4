/**
 * Development in one command: the embedded database unless `MONGODB_URI` names another, seeds for an empty one, the API and
 * a worker, and what to paste first.
 */

import { seedFirst } from '../seeds/firstSeeding.ts';
import { SEED_PEOPLE } from '../seeds/people.ts';
import type { Env } from '../src/config/env.ts';
import type { Log } from '../src/config/log.ts';
import { openDevelopmentKey, signSessionToken } from '../src/identity/developmentKey.ts';
import { endOnSignal, type Listen, processLog, runProcess, type Serving, serve } from '../src/runtimes/serve.ts';
import { openDatabase, tellWhoseDatabase } from './database.ts';

const TOKEN_LIFETIME_SECONDS = 24 * 60 * 60;
/** Milliseconds to wait for the database before saying that it is out of reach. */
const PATIENCE_MS = 3_000;

await runProcess(async (env) => {
  const log = processLog(env);
  const database = await openDatabase(env);
  tellWhoseDatabase(database, env, log);
  const serving = await serve({ env, mongodbUri: database.uri, log, listen: await listenHere() });
  endOnSignal(log, async () => {
    await serving.stop();
    await database.stop();
  });
  tellIfLate(serving, log);
  if (!(await serving.service.started)) return;
  if (database.kind !== 'given') await seedIfNew(serving, log);
  console.log(await welcome(env, serving.url));
});

/** Bun runs its own server, Node its own. */
async function listenHere(): Promise<Listen> {
  if ('Bun' in globalThis) return (await import('../src/runtimes/listenBun.ts')).listenBun;
  return (await import('../src/runtimes/listenNode.ts')).listenNode;
}

function tellIfLate({ url, service }: Serving, log: Log): void {
  const timer = setTimeout(() => {
    log.warn('the database is out of reach; requests are answered 503 until it is there', { url });
  }, PATIENCE_MS);
  service.started.finally(() => clearTimeout(timer));
}

async function seedIfNew({ service }: Serving, log: Log): Promise<void> {
  const seeded = await seedFirst(service.ctx);
  if (seeded) log.info('seeded the new database', { ...seeded });
}

async function welcome(env: Env, url: string): Promise<string> {
  const lines = ['', `Artifex serves at ${url}`, `Reference:       ${url}/docs`, ''];
  if (env.clerk.jwtKey !== undefined) {
    return [...lines, 'Session tokens come from Clerk: CLERK_JWT_KEY is set.', ''].join('\n');
  }
  const person = SEED_PEOPLE.find(({ subscriptionTier }) => subscriptionTier === 'pro');
  if (!person) return lines.join('\n');
  const { clerkUserId, email, name } = person;
  const key = await openDevelopmentKey(env.dataDir);
  const token = await signSessionToken(key, { clerkUserId, email, name, lifetimeSeconds: TOKEN_LIFETIME_SECONDS });
  const body = JSON.stringify({ type: 'text-to-image', prompt: 'A lighthouse at sunset', style: 'watercolor' });
  return [
    ...lines,
    `Session token of ${clerkUserId}, for a day:`,
    token,
    '',
    'Create an image:',
    `curl -s -X POST ${url}/v1/generations -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' -d '${body}'`,
    '',
    'See it (the address of the picture is in outputImages):',
    `curl -s '${url}/v1/generations?limit=1' -H 'Authorization: Bearer ${token}'`,
    '',
  ].join('\n');
}
