import { drawingStopped } from '../stopped.ts';

/** Lets a long computation share its thread. */
export interface Pace {
  /**
   * To be awaited after each small piece of work (a row): gives the event loop its turn when it is due.
   *
   * @throws {ProviderError} (retryable) once the signal is aborted.
   */
  step(): Promise<void>;
}

/** Milliseconds of work between two turns of the event loop. */
const BLOCK_MS = 8;
/** Steps after which a turn is due whatever the clock says: in workerd it stands still while code computes. */
const BLOCK_STEPS = 48;

/** A pace that also stops the work when the signal is aborted. */
export function createPace(signal: AbortSignal): Pace {
  let since = performance.now();
  let steps = 0;
  return {
    async step() {
      steps += 1;
      if (steps < BLOCK_STEPS && performance.now() - since < BLOCK_MS) return;
      // A timer and not a microtask: only then do sockets get their turn.
      await new Promise<void>((resolve) => {
        setTimeout(resolve, 0);
      });
      if (signal.aborted) throw drawingStopped(signal);
      since = performance.now();
      steps = 0;
    },
  };
}
