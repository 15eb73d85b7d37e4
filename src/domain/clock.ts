/**
 * The one source of time for quota, lifecycle and jobs. It is handed in, so that a test can set it.
 * Signatures and tokens never read it: they follow the machine's own clock.
 */
export interface Clock {
  now(): Date;
}

/** The machine's clock, moved by `offsetSeconds`. */
export function systemClock(offsetSeconds = 0): Clock {
  return { now: () => new Date(Date.now() + offsetSeconds * 1000) };
}

export interface SettableClock extends Clock {
  set(to: Date): void;
  advance(milliseconds: number): void;
}

/** A clock that stands still until it is moved. */
export function settableClock(start: Date): SettableClock {
  let current = start.getTime();
  return {
    now: () => new Date(current),
    set: (to) => {
      current = to.getTime();
    },
    advance: (milliseconds) => {
      current += milliseconds;
    },
  };
}
