import type Stripe from 'stripe';
import { keepEvent } from '../repositories/inbox.ts';
import { liveCustomers } from '../repositories/syncedSubscriptions.ts';
import { toldOf } from './events.ts';
import { idOf } from './snapshot.ts';
import { calling } from './stripe.ts';
import { type BillingDeps, syncCustomer } from './sync.ts';

/** What a reconciliation has found, in customers. */
export interface Reconciled {
  equal: number;
  repaired: number;
  /** At Stripe, and nobody is known by them here. */
  unknown: number;
  /** Somebody has to look at these: the log names them. */
  needPerson: number;
  /** Events that Stripe could not deliver, now in the inbox. */
  eventsKept: number;
}

const PAGE = 100;
/** Stripe repeats an event for three days (https://docs.stripe.com/webhooks#retries). */
const UNDELIVERED_SECONDS = 3 * 24 * 60 * 60;

/**
 * Compares everything with Stripe's own lists, page by page, one call after the other, so that it stays far below Stripe's limits; a call that
 * meets one is repeated by the SDK. Each customer is made equal by the same sync as by a webhook: it may be cut off anywhere and be run again.
 *
 * @throws {ArtifexError} `unavailable` when Stripe is out of reach
 */
export async function reconcile(
  deps: BillingDeps,
  { signal, onProgress = () => {} }: { signal?: AbortSignal; onProgress?: (found: Reconciled) => void } = {},
): Promise<Reconciled> {
  const found: Reconciled = { equal: 0, repaired: 0, unknown: 0, needPerson: 0, eventsKept: 0 };
  const seen = new Set<string>();
  const compare = async (customer: string) => {
    if (seen.has(customer) || signal?.aborted) return;
    seen.add(customer);
    const synced = await syncCustomer(deps, customer, { actor: { kind: 'job', id: 'billing-reconcile' } });
    if (synced.result === 'unknown_user') found.unknown += 1;
    else if (synced.result !== 'nothing') found[synced.result] += 1;
    if ('needsPerson' in synced && synced.needsPerson) found.needPerson += 1;
    onProgress(found);
  };
  for await (const { customer } of pagesOf((starting_after) =>
    deps.stripe.subscriptions.list({ status: 'all', limit: PAGE, ...starting_after }),
  )) {
    await compare(idOf(customer));
  }
  for await (const customer of liveCustomers(deps.store)) await compare(customer);
  if (!signal?.aborted) found.eventsKept = await keepUndelivered(deps);
  return found;
}

/** Every item of a list, newest first. */
async function* pagesOf<Item extends { id: string }>(
  list: (from: { starting_after?: string }) => Promise<Stripe.ApiList<Item>>,
): AsyncGenerator<Item> {
  let from: { starting_after?: string } = {};
  for (;;) {
    const { data, has_more } = await calling(() => list(from));
    yield* data;
    const last = data.at(-1);
    if (!has_more || !last) return;
    from = { starting_after: last.id };
  }
}

/** @returns how many of them were not known */
async function keepUndelivered({ stripe, store }: BillingDeps): Promise<number> {
  const gte = Math.floor(store.clock.now().getTime() / 1000) - UNDELIVERED_SECONDS;
  let kept = 0;
  for await (const event of pagesOf((from) =>
    stripe.events.list({ delivery_success: false, created: { gte }, limit: PAGE, ...from }),
  )) {
    const told = toldOf(event);
    if (told && (await keepEvent(store, told, false))) kept += 1;
  }
  return kept;
}
