import { isClerkAPIResponseError } from '@clerk/backend/errors';
import { EnvironmentError } from '../config/env.ts';
import { errorFields, type Log } from '../config/log.ts';
import { ArtifexError } from '../domain/errors.ts';
import { within } from './clerk.ts';

/** Makes a call to Clerk, now or as soon as Clerk takes one more, and again while Clerk cannot answer. */
export type Patiently = <Answer>(call: () => Promise<Answer>) => Promise<Answer>;

export interface Patience {
  /** How many calls may begin in a second. */
  callsPerSecond: number;
  log: Log;
  /** Ends every wait. */
  signal: AbortSignal;
}

const DEADLINE_MS = 30_000;
const ATTEMPTS = 8;
const FIRST_WAIT_MS = 250;
/** Clerk says how long to wait; where it does not, as long as its limits count (https://clerk.com/docs/guides/how-clerk-works/system-limits). */
const LIMIT_WINDOW_SECONDS = 10;

/**
 * Calls that keep to Clerk's limits: no more in a second than is said, after a 429 not before the `Retry-After`, and ever more slowly while
 * Clerk is out of reach.
 *
 * @returns what throws an {@link EnvironmentError} when Clerk does not take the key, an {@link ArtifexError} `unavailable` when it has been
 * out of reach for too long, the signal's reason, and Clerk's other refusals as they are
 */
export function patientCalls({ callsPerSecond, log, signal }: Patience): Patiently {
  let nextAt = 0;

  /** Whoever comes at the same time gets the next turn. */
  async function turn(): Promise<void> {
    const now = performance.now();
    const at = Math.max(now, nextAt);
    nextAt = at + 1000 / callsPerSecond;
    if (at > now) await pause(at - now, signal);
  }

  return async (call) => {
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      await turn();
      try {
        return await within(DEADLINE_MS, call());
      } catch (error) {
        const waitMs = waitAfter(error, attempt);
        if (waitMs === null) throw error;
        if (attempt === ATTEMPTS) throw unavailable(error);
        log.warn('Clerk could not answer and is asked again', { attempt, waitMs, ...errorFields(error) });
        nextAt = Math.max(nextAt, performance.now() + waitMs);
      }
    }
  };
}

/**
 * @returns milliseconds until the next attempt; null: it would be in vain
 * @throws {EnvironmentError} when Clerk does not take the key
 */
function waitAfter(error: unknown, attempt: number): number | null {
  const { status, retryAfter } = isClerkAPIResponseError(error) ? error : {};
  if (status === 401 || status === 403) throw new EnvironmentError('CLERK_SECRET_KEY is not taken by Clerk');
  if (status === 429) return (retryAfter ?? LIMIT_WINDOW_SECONDS) * 1000;
  // Without a status, there was no answer.
  if (status === undefined || status === 0 || status >= 500) return FIRST_WAIT_MS * 2 ** (attempt - 1);
  return null;
}

function unavailable(cause: unknown): ArtifexError {
  return new ArtifexError('unavailable', 'Clerk is out of reach. Try again later.', { cause });
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', end);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', end, { once: true });
  });
}
