/** A worker process alone, beside any number of others. */
import { requireWritableFolder } from '../src/config/folders.ts';
import { createCore } from '../src/runtimes/core.ts';
import { endOnSignal, processLog, runProcess } from '../src/runtimes/serve.ts';
import { openTracing } from '../src/runtimes/tracing.ts';
import { openDatabase, tellWhoseDatabase } from './database.ts';

await runProcess(async (env) => {
  const log = processLog(env);
  await requireWritableFolder(env.storage.variable, env.storage.directory);
  const database = await openDatabase(env);
  tellWhoseDatabase(database, env, log);
  const core = createCore({ env, mongodbUri: database.uri, log, tracing: await openTracing(env, log) });
  const giveUp = new AbortController();
  let stopWorking = async () => giveUp.abort(new Error('Stopped before the database was reached'));
  endOnSignal(log, async () => {
    await stopWorking();
    await core.close();
    await database.stop();
  });
  try {
    await core.connect({ signal: giveUp.signal });
  } catch (error) {
    if (giveUp.signal.aborted) return;
    throw error;
  }
  const work = [core.startWorker(), core.startCourier()];
  stopWorking = async () => {
    await Promise.all(work.map((each) => each.stop()));
  };
  log.info('working');
});
