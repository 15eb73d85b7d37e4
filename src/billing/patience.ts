import Stripe from 'stripe';
import { ArtifexError } from '../domain/errors.ts';

/** Milliseconds of the first wait; each further one is twice as long. */
const FIRST_WAIT_MS = 500;
/** Together more than a minute. */
const MAX_WAITS = 7;

/**
 * Runs work that asks Stripe, again after a wait where Stripe says that it was asked too often; the SDK leaves that to its callers
 * (https://docs.stripe.com/rate-limits). For work that nobody waits for, and that may be begun again.
 *
 * @throws {ArtifexError} `unavailable` where Stripe goes on to say so
 */
export async function patiently<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
  for (let waits = 0; ; waits += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isRateLimited(error) || waits === MAX_WAITS || signal?.aborted) throw error;
      await pause(FIRST_WAIT_MS * 2 ** waits, signal);
    }
  }
}

const isRateLimited = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeRateLimitError ||
  (error instanceof ArtifexError && error.cause instanceof Stripe.errors.StripeRateLimitError);

/** Ends early, and without an error, when it is aborted. */
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener('abort', end);
  });
}
