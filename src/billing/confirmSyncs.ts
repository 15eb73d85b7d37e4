import { errorFields, type Log } from '../config/log.ts';
import type { Actor } from '../domain/audit.ts';
import { ArtifexError } from '../domain/errors.ts';
import { claimUnconfirmed, postponeLook } from '../repositories/syncedSubscriptions.ts';
import { type BillingDeps, syncCustomer } from './sync.ts';

const ACTOR: Actor = { kind: 'job', id: 'billing-confirmations' };

/** Milliseconds until another try where a person has to decide something. */
const LATER_MS = 60 * 60_000;

/**
 * Looks at Stripe once more where who has written did not, since they died: news of something that was taken back may have been older than what
 * another one had found, and then nothing else would tell.
 *
 * @returns for how many customers it has looked
 */
export async function confirmSyncs(
  deps: BillingDeps,
  log: Log,
  signal?: AbortSignal,
): Promise<{ customersConfirmed: number }> {
  let customersConfirmed = 0;
  while (!signal?.aborted) {
    const unconfirmed = await claimUnconfirmed(deps.store);
    if (!unconfirmed) break;
    const { stripeCustomerId: customer } = unconfirmed;
    // One that was erased meanwhile.
    if (customer === undefined) continue;
    try {
      await syncCustomer(deps, customer, { actor: ACTOR });
      customersConfirmed += 1;
    } catch (error) {
      log.warn('what was written of a customer is still unconfirmed', errorFields(error));
      // Whom it was claimed for is looked at again in a minute.
      if (error instanceof ArtifexError && error.code === 'unavailable') break;
      await postponeLook(deps.store, unconfirmed, LATER_MS);
    }
  }
  return { customersConfirmed };
}
