import { errorFields, type Log } from '../config/log.ts';

/** A job that runs until it is stopped. `stop` resolves when the run under way has ended. */
export interface RunningJob {
  stop(): Promise<void>;
}

/**
 * Runs `job` again and again, `intervalMs` after the end of the run before, so that runs of one process never overlap. A run
 * that fails is logged, and the next one tries again.
 */
export function repeat(name: string, intervalMs: number, log: Log, job: () => Promise<void>): RunningJob {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = Promise.resolve();

  const run = async () => {
    try {
      await job();
    } catch (error) {
      log.warn('a job failed and will be tried again', { job: name, ...errorFields(error) });
    }
    if (!stopped) timer = setTimeout(start, intervalMs);
  };
  const start = () => {
    running = run();
  };
  timer = setTimeout(start, intervalMs);

  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
