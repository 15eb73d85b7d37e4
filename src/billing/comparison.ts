import type Stripe from 'stripe';
import type { Actor } from '../domain/audit.ts';
import { ArtifexError } from '../domain/errors.ts';
import { hasEnded } from '../domain/subscription.ts';
import { markListed, storedAmong } from '../repositories/syncedSubscriptions.ts';
import { patiently } from './patience.ts';
import { type Snapshot, snapshotOf } from './snapshot.ts';
import { type BillingDeps, type Synced, syncCustomer } from './sync.ts';

/**
 * - `equal`: stored as it is at Stripe, and its user's account with it.
 * - `repaired`: was not, and is now.
 * - `unknown`: at Stripe, and nobody is known by it here.
 * - `needPerson`: somebody has to look at it; the log names its customer.
 */
export const COMPARED = ['equal', 'repaired', 'unknown', 'needPerson'] as const;

/** What a comparison has found, in subscriptions: each one counts once. */
export type Compared = Record<(typeof COMPARED)[number], number>;

const ACTOR: Actor = { kind: 'job', id: 'billing-reconcile' };

/**
 * Compares a page of Stripe's list with what is stored: what is equal costs no call to Stripe, and of the others each customer is made equal by
 * the same sync as by a webhook.
 *
 * @param subscriptions with their schedules expanded
 * @returns null when it was aborted on its way
 * @throws {ArtifexError} `unavailable` when Stripe is out of reach
 */
export async function comparePage(
  deps: BillingDeps,
  subscriptions: readonly Stripe.Subscription[],
  { listedAt, signal }: { listedAt: Date; signal?: AbortSignal | undefined },
): Promise<Compared | null> {
  const snapshots = await Promise.all(subscriptions.map((one) => snapshotOf(one, deps.config.prices)));
  const ids = snapshots.map(({ facts }) => facts.stripeSubscriptionId);
  const stored = await storedById(deps, ids);
  const different = snapshots.filter((one) => !isEqual(one, stored));
  const outcomes = new Map<string, Outcome>();
  for (const customer of new Set(different.map(({ facts }) => facts.stripeCustomerId))) {
    if (signal?.aborted) return null;
    outcomes.set(customer, await madeEqual(deps, customer, signal));
  }
  const now = different.length > 0 ? await storedById(deps, ids) : stored;
  await markListed(deps.store, ids, listedAt);
  const found: Compared = { equal: snapshots.length - different.length, repaired: 0, unknown: 0, needPerson: 0 };
  for (const one of different) found[kindOf(one, outcomes.get(one.facts.stripeCustomerId), now)] += 1;
  return found;
}

type Outcome = Synced['result'] | 'conflict';

/** Makes a customer equal to Stripe; what a person has to decide holds nobody else up. */
export async function madeEqual(
  deps: BillingDeps,
  customer: string,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  try {
    return (await patiently(() => syncCustomer(deps, customer, { actor: ACTOR }), signal)).result;
  } catch (error) {
    if (error instanceof ArtifexError && error.code === 'conflict') return 'conflict';
    throw error;
  }
}

type Stored = Awaited<ReturnType<typeof storedAmong>>[number];

async function storedById({ store }: BillingDeps, ids: readonly string[]): Promise<ReadonlyMap<string, Stored>> {
  const stored = await storedAmong(store, ids);
  return new Map(stored.map((one) => [one.stripeSubscriptionId ?? '', one]));
}

/** Stored as it is at Stripe, with nothing that a person has to mend. */
function isEqual({ facts, fingerprint, problems }: Snapshot, stored: ReadonlyMap<string, Stored>): boolean {
  const { synced, unapplied } = stored.get(facts.stripeSubscriptionId) ?? {};
  return synced === fingerprint && unapplied === undefined && problems.length === 0;
}

/** @param stored after the sync; Stripe may have had news since the page was read */
function kindOf(
  { facts, problems }: Snapshot,
  outcome: Outcome | undefined,
  stored: ReadonlyMap<string, Stored>,
): keyof Compared {
  if (outcome === 'unknown_user') return 'unknown';
  if (outcome === 'conflict' || problems.length > 0) return 'needPerson';
  const followsStripe = stored.get(facts.stripeSubscriptionId)?.synced !== undefined;
  if (followsStripe) return outcome === 'repaired' ? 'repaired' : 'equal';
  // One that is live has to make way for another one. Of who had one that has ended nothing may be left.
  return hasEnded(facts) ? 'equal' : 'needPerson';
}
