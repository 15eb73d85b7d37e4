/**
 * How long a Checkout can be paid on, from when it was begun and not from when Stripe has made its session: so none that is made late, by a process that
 * stood still, can sell beside the next one. Milliseconds. Stripe takes 24 hours at most (https://docs.stripe.com/api/checkout/sessions/create).
 */
export const CHECKOUT_LIFE_MS = 22 * 60 * 60 * 1000;
/** By how much our clock may be ahead of Stripe's when it takes a session for dead. With it, less than Stripe remembers an idempotency key. */
const TOLERANCE_MS = 60 * 60 * 1000;

/** A Checkout that was begun at this instant or before can sell nothing any more, whoever stands still with it. */
export const checkoutsOverBy = (now: Date): Date => new Date(now.getTime() - CHECKOUT_LIFE_MS - TOLERANCE_MS);
