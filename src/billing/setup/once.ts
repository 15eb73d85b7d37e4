import Stripe from 'stripe';
import { isRememberedFailure } from '../idempotency.ts';

/** Tries under keys of their own: each one stands for a creation whose outcome is known and is not there any more. */
const MAX_ATTEMPTS = 8;

export interface Creation<Made extends { id: string }> {
  /** What is being made, in the words of its idempotency key. */
  key: string;
  /** What is there and need not be made. */
  find(): Promise<Made | null>;
  create(idempotencyKey: string): Promise<Made>;
}

/**
 * Makes what is not there, once: it is looked for first, so that a run after a crash finds what the one before has made, and two runs at the
 * same time make it under the same key. A key remembers for a day what came of it (https://docs.stripe.com/api/idempotent_requests), also when
 * that was an error of Stripe's, or has been deleted since: what was told is looked for again, and the next key tried where it is not there.
 */
export async function once<Made extends { id: string }>(
  creation: Creation<Made>,
): Promise<{ object: Made; isNew: boolean }> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const object = await creation.find();
    if (object) return { object, isNew: false };
    const made = await unlessRemembered(() => creation.create(`artifex-setup:${creation.key}:${attempt}`));
    if (made && (await creation.find())?.id === made.id) return { object: made, isNew: true };
  }
  throw new Error(`What was made at Stripe is not there: ${creation.key}`);
}

/** @returns null where the key stands for something else, or for an error that Stripe tells again since it did the first time */
async function unlessRemembered<Made>(create: () => Promise<Made>): Promise<Made | null> {
  try {
    return await create();
  } catch (error) {
    if (error instanceof Stripe.errors.StripeIdempotencyError || isRememberedFailure(error)) return null;
    throw error;
  }
}
