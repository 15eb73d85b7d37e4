import Stripe from 'stripe';
import { z } from 'zod';
import { keepEvent } from '../repositories/inbox.ts';
import { unlistedCustomers } from '../repositories/syncedSubscriptions.ts';
import { COMPARED, type Compared, comparePage, madeEqual } from './comparison.ts';
import { toldOf } from './events.ts';
import { patiently } from './patience.ts';
import { calling } from './stripe.ts';
import type { BillingDeps } from './sync.ts';

/** What a reconciliation has found. */
export interface Reconciled extends Compared {
  /** Events that Stripe could not deliver, now in the inbox. */
  eventsKept: number;
}

const PAGE = 100;
/** Stripe repeats an event for three days (https://docs.stripe.com/webhooks#retries). Seconds. */
const UNDELIVERED_SECONDS = 3 * 24 * 60 * 60;

/** The parts of the work, in their order. */
const PARTS = ['listed', 'unlisted', 'events'] as const;

const count = z.int().nonnegative();
/** How far a reconciliation has come. Stripe's lists are newest first, so that what is new moves nothing behind the place. */
const placeSchema = z.object({
  startedAt: z.date(),
  part: z.enum(PARTS),
  /** The last one of the page that was finished last. */
  after: z.string().optional(),
  found: z.object({ equal: count, repaired: count, unknown: count, needPerson: count, eventsKept: count }),
});
type Place = z.output<typeof placeSchema>;

export interface ReconcileOptions {
  /** Ends it after the customer under way. */
  signal?: AbortSignal | undefined;
  /** Where its place is kept, so that a run that was cut off is gone on with. Without it, every run begins anew. */
  progress?: { read(): Promise<unknown>; keep(place: Record<string, unknown>): Promise<void> } | undefined;
  /** Told after each page. */
  onProgress?: ((found: Reconciled, goesOnSince: Date | null) => void) | undefined;
}

/**
 * Compares everything with Stripe's own lists, page by page, one call after the other, so that it stays far below Stripe's limits, and waits where it
 * meets one all the same. It may be cut off anywhere: the next run goes on behind the last page that was finished, and its report is of the
 * whole. (What was repaired of the page under way then counts as equal.) It holds one page in memory.
 *
 * Then the other way: what is stored as not ended and was in none of the pages is looked at, customer by customer; and then come the events that
 * Stripe could not deliver.
 *
 * @throws {ArtifexError} `unavailable` when Stripe is out of reach
 */
export async function reconcile(deps: BillingDeps, options: ReconcileOptions = {}): Promise<Reconciled> {
  const left = placeSchema.safeParse(await options.progress?.read()).data;
  const resumed = left && (await isThere(deps, left)) ? left : null;
  const place = resumed ?? beginning(deps);
  const keep = async () => {
    await options.progress?.keep({ ...place });
    options.onProgress?.(place.found, resumed && place.startedAt);
  };
  const run: Run = { ...deps, place, keep, signal: options.signal };
  for (const part of PARTS.slice(PARTS.indexOf(place.part))) {
    if (place.part !== part) delete place.after;
    place.part = part;
    await WORK[part](run);
    if (options.signal?.aborted) break;
  }
  return place.found;
}

interface Run extends BillingDeps {
  place: Place;
  /** Keeps the place as it is now. */
  keep(): Promise<void>;
  signal: AbortSignal | undefined;
}

const WORK: Readonly<Record<Place['part'], (run: Run) => Promise<void>>> = {
  listed: compareListed,
  unlisted: compareUnlisted,
  events: keepUndelivered,
};

const beginning = ({ store }: BillingDeps): Place => ({
  startedAt: store.clock.now(),
  part: 'listed',
  found: { equal: 0, repaired: 0, unknown: 0, needPerson: 0, eventsKept: 0 },
});

/** A place may be too old, or gone with data of test mode that somebody has deleted. */
async function isThere({ stripe, store }: BillingDeps, { startedAt, part, after }: Place): Promise<boolean> {
  if (store.clock.now().getTime() - startedAt.getTime() > UNDELIVERED_SECONDS * 1000) return false;
  if (after === undefined) return true;
  const behind = { starting_after: after, limit: 1 };
  try {
    if (part === 'events') await calling(() => stripe.events.list(behind));
    else await calling(() => stripe.subscriptions.list(behind));
    return true;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeInvalidRequestError) return false;
    throw error;
  }
}

function compareListed(run: Run): Promise<void> {
  const { stripe, place, signal } = run;
  return eachPage(
    run,
    (from) => stripe.subscriptions.list({ status: 'all', limit: PAGE, expand: ['data.schedule'], ...from }),
    async (subscriptions) => {
      const compared = await comparePage(run, subscriptions, { listedAt: place.startedAt, signal });
      if (!compared) return false;
      for (const kind of COMPARED) place.found[kind] += compared[kind];
      return true;
    },
  );
}

/** What was sold since the list was begun is among them, and equal: it counts with the next comparison. */
async function compareUnlisted(run: Run): Promise<void> {
  const { store, place, keep, signal } = run;
  for await (const customer of unlistedCustomers(store, place.startedAt)) {
    if (signal?.aborted) return;
    const outcome = await madeEqual(run, customer, signal);
    if (outcome !== 'repaired' && outcome !== 'conflict') continue;
    place.found[outcome === 'repaired' ? 'repaired' : 'needPerson'] += 1;
    await keep();
  }
}

function keepUndelivered(run: Run): Promise<void> {
  const { stripe, store, place } = run;
  const gte = Math.floor(store.clock.now().getTime() / 1000) - UNDELIVERED_SECONDS;
  return eachPage(
    run,
    (from) => stripe.events.list({ delivery_success: false, created: { gte }, limit: PAGE, ...from }),
    async (events) => {
      for (const event of events) {
        const told = toldOf(event);
        if (told && (await keepEvent(store, told, false))) place.found.eventsKept += 1;
      }
      return true;
    },
  );
}

/** @param work what to do with a page; false when it was left before its end, and is to be done again */
async function eachPage<Item extends { id: string }>(
  { place, keep, signal }: Run,
  list: (from: { starting_after?: string }) => Promise<Stripe.ApiList<Item>>,
  work: (items: readonly Item[]) => Promise<boolean>,
): Promise<void> {
  while (!signal?.aborted) {
    const from = place.after === undefined ? {} : { starting_after: place.after };
    const { data, has_more } = await patiently(() => calling(() => list(from)), signal);
    if (!(await work(data))) return;
    place.after = data.at(-1)?.id ?? place.after;
    await keep();
    if (!has_more || data.length === 0) return;
  }
}
