import { ArtifexError } from '../domain/errors.ts';
import type { Store } from '../models/store.ts';
import { liveSubscriptionOf } from '../repositories/syncedSubscriptions.ts';
import type { Billing } from './billing.ts';
import { nothingToChange, refuseContradiction } from './change.ts';
import { secondSubscription } from './checkout.ts';
import { customerOf } from './customers.ts';
import { noCustomer } from './portal.ts';

/**
 * The deeds of a process that has no `STRIPE_SECRET_KEY`. What is stored refuses what Stripe would not change either, so that nobody is told
 * to come back for it; the rest is `unavailable`.
 */
export function withoutStripe(store: Store): Pick<Billing, 'checkout' | 'portal' | 'change'> {
  return {
    async checkout({ _id }) {
      if (await liveSubscriptionOf(store, _id)) throw secondSubscription();
      throw noKey();
    },
    async portal(userId) {
      if ((await customerOf(store, userId)) === undefined) throw noCustomer();
      throw noKey();
    },
    async change(userId, change) {
      refuseContradiction(change);
      if (!(await liveSubscriptionOf(store, userId))) throw nothingToChange();
      throw noKey();
    },
  };
}

/** Nobody has said how to ask Stripe. */
export const noKey = () => new ArtifexError('unavailable', 'Stripe cannot be asked: STRIPE_SECRET_KEY is not set.');
