import type { Types } from 'mongoose';
import type Stripe from 'stripe';
import type { Act, Actor } from '../domain/audit.ts';
import { ArtifexError } from '../domain/errors.ts';
import { hasEnded, type SubscriptionStatus } from '../domain/subscription.ts';
import { isHigherTier } from '../domain/tiers.ts';
import { oweEndings } from '../models/statements/endings.ts';
import { followSubscription } from '../models/statements/following.ts';
import type { Store } from '../models/store.ts';
import { keepCustomer, userNamedBy, userOfCustomer } from '../repositories/billingAccounts.ts';
import { isDeletedUser } from '../repositories/endings.ts';
import {
  confirm,
  endSubscription,
  insertSubscription,
  liveSubscriptionOf,
  overwriteSubscription,
  type StoredSubscription,
  subscriptionsOfCustomer,
} from '../repositories/syncedSubscriptions.ts';
import { type Snapshot, snapshotOf } from './snapshot.ts';
import { calling, isMissing, type StripeConfig } from './stripe.ts';

export interface BillingDeps {
  store: Store;
  stripe: Stripe;
  config: StripeConfig;
  /** Told of what a person has to mend. */
  needsPerson(problem: string, customer: string): void;
}

/** - `equal`: nothing was written. - `repaired`: what is stored follows Stripe now. - `unknown_user`: nobody is known by that customer. */
export type Synced =
  | { result: 'equal' | 'repaired'; userId: Types.ObjectId; needsPerson: boolean }
  | { result: 'nothing' }
  | { result: 'unknown_user'; names: string[] };

const ACTOR: Actor = { kind: 'webhook', id: 'stripe' };

/** Racing writers make a sync begin again; each round, one of them has got on. */
const MAX_ROUNDS = 20;

/**
 * Makes what is stored of a customer's subscriptions equal to Stripe's own objects, and the user's account with them. What is stored is
 * read first, then Stripe, and a write is refused when somebody else has written in between: so of two that race, the one
 * that asked Stripe first cannot overwrite what the other has written later. Another one may have learned later that all is as it is stored, and
 * have had nothing to write: therefore who has written looks once more. What was written says itself that it is unconfirmed until then, so that
 * the job `billing-confirmations` looks where the process has died before it could.
 *
 * @param names who the user might be, where nothing stored tells
 * @throws {ArtifexError} `unavailable` when Stripe is out of reach
 */
export async function syncCustomer(
  deps: BillingDeps,
  customer: string,
  { names = [], actor = ACTOR }: { names?: readonly string[]; actor?: Actor } = {},
): Promise<Synced> {
  let repaired: Synced | null = null;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const stored = await subscriptionsOfCustomer(deps.store, customer);
    const snapshots = await listSnapshots(deps, customer);
    const synced = await reconcile(deps, { customer, stored, snapshots, names, actor });
    if (synced?.result === 'repaired') repaired = synced;
    else if (synced) return repaired ?? synced;
  }
  throw new ArtifexError('unavailable', 'Others change this customer at the same time. Try again.');
}

/** All of a customer's subscriptions, ended ones too; null when the customer is gone. */
async function listSnapshots({ stripe, config }: BillingDeps, customer: string): Promise<Snapshot[]> {
  const query: Stripe.SubscriptionListParams = { customer, status: 'all', limit: 100, expand: ['data.schedule'] };
  const found = await calling(async () => {
    try {
      return await stripe.subscriptions.list(query).autoPagingToArray({ limit: 1_000 });
    } catch (error) {
      // A customer that was deleted has none left.
      if (isMissing(error)) return [];
      throw error;
    }
  });
  return Promise.all(found.map((subscription) => snapshotOf(subscription, config.prices)));
}

interface Findings {
  customer: string;
  stored: StoredSubscription[];
  snapshots: Snapshot[];
  names: readonly string[];
  actor: Actor;
}

/** @returns null when somebody else has written meanwhile, and all has to be read again */
async function reconcile(deps: BillingDeps, findings: Findings): Promise<Synced | null> {
  const { stored, snapshots, actor } = findings;
  const { kept, surplus } = withoutSurplus(snapshots);
  // What Stripe does not have any more, and what has to make way for another one that is worth more.
  const gone = stored.filter((one) => !hasEnded(one) && !kept.some((snapshot) => isOf(one, snapshot)));
  const changed = kept.filter((snapshot) => storedOf(snapshot, stored)?.synced !== snapshot.fingerprint);
  const problems = [...kept.flatMap((one) => one.problems), ...surplus.map(() => 'second_subscription' as const)];
  const [known] = stored;
  const isEqual = gone.length === 0 && changed.length === 0;
  if (isEqual && !known) return { result: 'nothing' };
  const userId = known?.userId ?? (await userBehind(deps, findings));
  if (!userId) return { result: 'unknown_user', names: namesIn(findings) };
  for (const problem of problems) deps.needsPerson(problem, findings.customer);
  const answer = { userId, needsPerson: problems.length > 0 };
  if (isEqual && stored.every(({ unapplied }) => unapplied === undefined)) {
    const goesOn = surplus.some(({ facts }) => !facts.cancelAtPeriodEnd);
    // Of what is sold beside the one that counts nothing is stored that could owe its end.
    if (goesOn && (await isDeletedUser(deps.store, userId))) await oweEndings(deps.store, [userId], { isNews: false });
    await confirm(deps.store, stored);
    return { result: 'equal', ...answer };
  }
  for (const subscription of gone) if (!(await endSubscription(deps.store, subscription))) return null;
  // What has ended makes way for what has not: a user has one that is live.
  for (const snapshot of changed.toSorted((one, other) => Number(isLive(one)) - Number(isLive(other)))) {
    const isWritten = await write(deps.store, userId, snapshot, storedOf(snapshot, stored));
    if (!isWritten) return makeWay(deps, userId, snapshot);
  }
  await followSubscription(deps.store, userId, actor);
  return { result: 'repaired', ...answer };
}

const isOf = (stored: StoredSubscription, { facts }: Snapshot): boolean =>
  stored.stripeSubscriptionId === facts.stripeSubscriptionId;

const storedOf = (snapshot: Snapshot, stored: readonly StoredSubscription[]): StoredSubscription | undefined =>
  stored.find((one) => isOf(one, snapshot));

const isLive = ({ facts }: Snapshot): boolean => !hasEnded(facts);

function write(
  store: Store,
  userId: Types.ObjectId,
  { facts, fingerprint: synced, problems }: Snapshot,
  read: StoredSubscription | undefined,
): Promise<boolean> {
  const act: Act | null =
    problems.length > 0
      ? { action: 'subscription.needs_person', actor: ACTOR, detail: { problems: problems.join(', ') } }
      : null;
  return read
    ? overwriteSubscription(store, read, facts, { synced, act })
    : insertSubscription(store, userId, facts, { synced, act });
}

/** Statuses that grant come first, a trial like any other; then the higher tier, then the one that was there before. */
const WORTH: readonly (readonly SubscriptionStatus[])[] = [
  ['active', 'trialing'],
  ['past_due'],
  ['unpaid'],
  ['paused'],
  ['incomplete'],
];
const worthOf = (status: SubscriptionStatus): number => WORTH.findIndex((equals) => equals.includes(status));

/** A user has one live subscription. Of two that Stripe has, the one of most worth counts, and the other needs a person. */
function withoutSurplus(snapshots: readonly Snapshot[]): { kept: Snapshot[]; surplus: Snapshot[] } {
  const [best, ...surplus] = snapshots.filter(isLive).sort((one, other) => byWorth(one, other));
  return { kept: [...snapshots.filter((one) => !isLive(one)), ...(best ? [best] : [])], surplus };
}

function byWorth({ facts: one, ...first }: Snapshot, { facts: other, ...second }: Snapshot): number {
  const byStatus = worthOf(one.status) - worthOf(other.status);
  if (byStatus !== 0) return byStatus;
  if (one.tier !== other.tier) return isHigherTier(one.tier, other.tier) ? 1 : -1;
  return first.soldAt.getTime() - second.soldAt.getTime();
}

/**
 * Something stood against a write. Mostly somebody else has written, and a look at how things are now helps. A live subscription that
 * no object of Stripe's stands behind makes way for one that is paid for; another customer's does not.
 *
 * @throws {ArtifexError} `conflict` when a person has to decide
 */
async function makeWay(deps: BillingDeps, userId: Types.ObjectId, { facts }: Snapshot): Promise<null> {
  const live = await liveSubscriptionOf(deps.store, userId);
  if (!live || hasEnded(facts) || live.stripeCustomerId === facts.stripeCustomerId) return null;
  if (live.stripeSubscriptionId === undefined) {
    await endSubscription(deps.store, live);
    return null;
  }
  deps.needsPerson('second_customer', facts.stripeCustomerId);
  throw new ArtifexError(
    'conflict',
    'The user has a live subscription of another customer. End one of the two at Stripe.',
  );
}

/** Who is behind a customer of whom nothing is stored yet: by stored customer, else by what Stripe's objects say of themselves. */
async function userBehind(deps: BillingDeps, findings: Findings): Promise<Types.ObjectId | null> {
  const { store } = deps;
  const { customer } = findings;
  const stored = await userOfCustomer(store, customer);
  if (stored) return stored;
  const userId =
    (await userNamedBy(store, namesIn(findings))) ?? (await userNamedBy(store, await namesOf(deps, findings)));
  if (userId) await keepCustomer(store, userId, customer);
  return userId;
}

function namesIn({ snapshots, names }: Findings): string[] {
  const told = snapshots.map(({ facts }) => facts.metadata['userId']).filter((name) => typeof name === 'string');
  return [...new Set([...told, ...names])];
}

/** What the customer itself says; it is asked only where nothing else has told. */
async function namesOf({ stripe }: BillingDeps, findings: Findings): Promise<string[]> {
  const customer = await calling(() => stripe.customers.retrieve(findings.customer).catch(nothingIfMissing));
  const name = customer && !customer.deleted ? customer.metadata['userId'] : undefined;
  if (name === undefined) return [];
  findings.names = [...findings.names, name];
  return [name];
}

function nothingIfMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}
