/**
 * Development in one command: the embedded database unless `MONGODB_URI` names another, seeds for an empty one, the API and
 * a worker, and what to paste first.
 */

import { seedFirst } from '../seeds/firstSeeding.ts';
import type { Log } from '../src/config/log.ts';
import { listenHere } from '../src/runtimes/listenHere.ts';
import { endOnSignal, processLog, runProcess, type Serving, serve } from '../src/runtimes/serve.ts';
import { openDatabase, tellWhoseDatabase } from './database.ts';
import { welcome } from './welcome.ts';

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
