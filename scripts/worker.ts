/** A worker process alone, beside any number of others. */
import { createCore } from '../src/runtimes/core.ts';
import { endOnSignal, processLog, runProcess } from '../src/runtimes/serve.ts';
import { openDatabase } from './database.ts';

await runProcess(async (env) => {
  const log = processLog(env);
  const database = await openDatabase(env);
  const core = createCore({ env, mongodbUri: database.uri, log });
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
  const worker = core.startWorker();
  stopWorking = () => worker.stop();
  log.info('working');
});
