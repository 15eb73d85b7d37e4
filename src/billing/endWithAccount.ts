import type { Types } from 'mongoose';
import { errorFields, type Log } from '../config/log.ts';
import { checkoutsOverBy } from '../domain/checkout.ts';
import { ArtifexError } from '../domain/errors.ts';
import type { Store } from '../models/store.ts';
import {
  clearEnding,
  clearExpiry,
  dueEnding,
  dueExpiry,
  isDeletedUser,
  type OwedEnding,
  type OwedExpiry,
  postponeEnding,
  postponeExpiry,
} from '../repositories/endings.ts';
import { expireSession, sessionOf } from './checkoutSession.ts';
import { endSubscriptions } from './endSubscriptions.ts';
import { unlessCustomerGone } from './stripe.ts';
import type { BillingDeps } from './sync.ts';

/** Milliseconds until another try: while Stripe is out of reach, and where it refuses. */
const SOON_MS = 60_000;
const LATER_MS = 60 * 60_000;

/**
 * Ends at Stripe what deleted accounts pay for, and what they could still begin to pay for: subscriptions with their period, so that who comes
 * back before has what was paid for, or at once where nothing was, and open Checkouts. It may be cut off anywhere and be run again. What ended
 * stands in the audit trail once, after it did: each end carries a word of ours at Stripe, by which the next run knows what this one has done.
 *
 * @returns of how many accounts the subscriptions end now, and of how many a Checkout expired
 */
export async function endWithAccounts(
  deps: BillingDeps,
  log: Log,
  signal?: AbortSignal,
): Promise<{ accountsEnded: number; checkoutsExpired: number }> {
  // First what can be paid on: whatever it has sold by then ends, too.
  const checkoutsExpired = await fulfilEach<OwedExpiry>(deps, log, signal, {
    due: dueExpiry,
    userOf: ({ _id }) => _id,
    fulfil: expireCheckout,
    clear: clearExpiry,
    postpone: postponeExpiry,
  });
  const accountsEnded = await fulfilEach<OwedEnding>(deps, log, signal, {
    due: dueEnding,
    userOf: ({ userId }) => userId,
    fulfil: endOwed,
    clear: clearEnding,
    postpone: postponeEnding,
  });
  return { accountsEnded, checkoutsExpired };
}

/** What a deletion owes, in whatever document it stands. */
interface Obligation<Owed> {
  due(store: Store): Promise<Owed | null>;
  userOf(owed: Owed): Types.ObjectId;
  /** @returns whether there was something to end */
  fulfil(deps: BillingDeps, owed: Owed): Promise<boolean>;
  clear(store: Store, owed: Owed): Promise<void>;
  postpone(store: Store, owed: Owed, delayMs: number): Promise<void>;
}

/** @returns how often there was something to end */
async function fulfilEach<Owed>(
  deps: BillingDeps,
  log: Log,
  signal: AbortSignal | undefined,
  { due, userOf, fulfil, clear, postpone }: Obligation<Owed>,
): Promise<number> {
  let ended = 0;
  while (!signal?.aborted) {
    const owed = await due(deps.store);
    if (!owed) break;
    try {
      // Who has come back keeps what they have.
      if ((await isDeletedUser(deps.store, userOf(owed))) && (await fulfil(deps, owed))) ended += 1;
      await clear(deps.store, owed);
    } catch (error) {
      const isOutOfReach = error instanceof ArtifexError && error.code === 'unavailable';
      log.warn('what a deleted account pays for is still to be ended', errorFields(error));
      await postpone(deps.store, owed, isOutOfReach ? SOON_MS : LATER_MS);
      if (isOutOfReach) break;
    }
  }
  return ended;
}

/**
 * Lets nobody pay on the account's Checkout any more. One whose session was never made is made for that: a process that stands still before it would
 * make it get the session that has expired.
 */
async function expireCheckout(deps: BillingDeps, account: OwedExpiry): Promise<boolean> {
  const { _id: userId, stripeCustomerId: customer, checkout } = account;
  if (!checkout || customer === undefined) return false;
  if (checkout.startedAt <= checkoutsOverBy(deps.store.clock.now())) return false;
  const made = await unlessCustomerGone(() => sessionOf(deps, checkout, { customer, userId }));
  const isExpired = made?.session.status === 'open' && (await expireSession(deps, made.session.id)) === 'expired';
  await endSubscriptions(deps, customer, account.ending.id);
  return isExpired;
}

async function endOwed(deps: BillingDeps, { stripeCustomerId: customer, ending }: OwedEnding): Promise<boolean> {
  return customer !== undefined && (await endSubscriptions(deps, customer, ending.id)) > 0;
}
