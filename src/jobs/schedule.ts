import { Cron } from 'croner';

/** When a job runs. Instants follow from the pattern alone, so that all processes agree on them. */
export interface Schedule {
  /** As it was given, for people. */
  pattern: string;
  /** The latest instant that is not after `now`. */
  latest(now: Date): Date;
  /** The first instant after `now`. */
  next(now: Date): Date;
}

/**
 * A schedule in cron's words (https://croner.56k.guru/usage/pattern/), in UTC. It only computes: whoever waits for an instant
 * does so by the clock of jobs, which is not always the machine's.
 *
 * @throws {TypeError} for a pattern that cannot be read, or that has no instant in either direction
 */
export function scheduleOf(pattern: string): Schedule {
  const cron = new Cron(pattern, { paused: true, timezone: 'UTC' });
  return {
    pattern,
    latest(now) {
      // Croner looks before the reference, and counts in whole seconds.
      const [instant] = cron.previousRuns(1, new Date(now.getTime() + 1000));
      if (instant !== undefined && instant <= now) return instant;
      const [before] = cron.previousRuns(1, now);
      if (before === undefined)
        throw new TypeError(`The schedule ${pattern} has no instant before ${now.toISOString()}`);
      return before;
    },
    next(now) {
      const instant = cron.nextRun(now);
      if (instant === null) throw new TypeError(`The schedule ${pattern} has no instant after ${now.toISOString()}`);
      return instant;
    },
  };
}
