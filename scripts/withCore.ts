import type { Env } from '../src/config/env.ts';
import { type Core, createCore } from '../src/runtimes/core.ts';
import { processLog, runProcess } from '../src/runtimes/serve.ts';
import { openDatabase } from './database.ts';

/** A command gives up where a server would go on trying. */
const CONNECT_ATTEMPTS = 4;

export interface CommandOptions {
  /** Its batches take long on purpose: they are not logged as slow queries. */
  inBatches?: boolean;
}

/** Runs one command over the environment's database, and ends. The result is the exit status. */
export function withCore(
  command: (core: Core, env: Env) => Promise<number>,
  options: CommandOptions = {},
): Promise<void> {
  return runProcess(async (env) => {
    const database = await openDatabase(env);
    const core = createCore({
      env: options.inBatches ? { ...env, slowQueryMs: Number.POSITIVE_INFINITY } : env,
      mongodbUri: database.uri,
      log: processLog(env),
    });
    try {
      process.exitCode = (await isReached(core)) ? await command(core, env) : 1;
    } finally {
      await core.close();
      await database.stop();
    }
  });
}

async function isReached(core: Core): Promise<boolean> {
  try {
    await core.connect({ attempts: CONNECT_ATTEMPTS });
    return true;
  } catch (error) {
    console.error(`The database is out of reach: ${error instanceof Error ? error.message : 'it does not say why'}`);
    return false;
  }
}
