import Stripe from 'stripe';

/** As many errors of Stripe's own within a day end the patience. */
const MAX_KEYS = 5;

/**
 * Runs a call under an idempotency key that is made of what is being done. A key remembers for a day what came of its first call, also where that was
 * an error of Stripe's own (https://docs.stripe.com/api/idempotent_requests): such a memory is an outcome that is known, and the same is asked again
 * under the next key, so that one bad moment of Stripe's does not stand in the way for a day.
 *
 * @param call whatever it changes may be changed twice to the same
 */
export async function underKey<Result>(
  key: string,
  call: (options: { idempotencyKey: string }) => Promise<Result>,
): Promise<Result> {
  for (let keys = 0; ; keys += 1) {
    try {
      return await call({ idempotencyKey: keys === 0 ? key : `${key}:${keys}` });
    } catch (error) {
      if (!isRememberedFailure(error) || keys === MAX_KEYS) throw error;
    }
  }
}

/** Whether Stripe tells once more of an error of its own. */
export function isRememberedFailure(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeError) || (error.statusCode ?? 0) < 500) return false;
  return error.headers?.['idempotent-replayed'] === 'true';
}
