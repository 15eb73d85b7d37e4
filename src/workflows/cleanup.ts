import { type Actor, LIBRARY } from '../domain/audit.ts';
import { ValidationFailedError } from '../domain/errors.ts';
import { FINAL_STATUSES } from '../domain/lifecycle.ts';
import { pictureNameOf } from '../domain/pictures.ts';
import { freezeDays } from '../models/statements/usage/upkeep.ts';
import type { Store } from '../models/store.ts';
import { recordAct } from '../repositories/audit.ts';
import { endExpiredSubscription, expiredSubscriptions } from '../repositories/expiry.ts';
import {
  neededByAccounts,
  type Retired,
  type Retirement,
  removeGenerations,
  retiredGenerations,
} from '../repositories/retention.ts';
import { publishEvents } from './publishEvents.ts';

/** What a cleanup did. */
export interface Cleanup {
  /** Completed generations removed. */
  oldGenerationsRemoved: number;
  /** Failed and cancelled generations removed. */
  failedGenerationsRemoved: number;
  /** Subscriptions that had long run out, and were ended. */
  subscriptionsUpdated: number;
}

/** Whole days. */
export interface Ages {
  /** For how long a completed generation is kept. */
  finishedDays: number;
  /** For how long a failed or cancelled one is kept. */
  failedDays: number;
  /** For how long one is kept after its user has deleted it. */
  deletedDays: number;
}

export interface CleanupOptions extends Partial<Ages> {
  /** Removes a picture from storage. Without it, generations with pictures of ours are kept. */
  removePicture?: (name: string) => Promise<void>;
  /** Who has it done, for the audit trail. */
  actor?: Actor;
  /** Ends the cleanup after the batch that is under way. */
  signal?: AbortSignal;
}

const DEFAULT_AGES: Ages = Object.freeze({ finishedDays: 365, failedDays: 30, deletedDays: 30 });

/** Days after the end of its period that a subscription may still be renewed. */
const RENEWAL_GRACE_DAYS = 3;
const MOST_DAYS = 36_500;
const DAY_MS = 24 * 60 * 60 * 1000;
const BATCH = 200;

/**
 * Removes for good what is old enough and settled, once the analytics have counted it for ever: never a generation that is
 * under way, owes something to its user, or that an account still needs. It may be cut off anywhere and run again, and by many
 * at once: pictures go before the generation that names them, so that none is left which nobody can find.
 *
 * @throws {ValidationFailedError} for an age that is no whole number of days from 1 to {@link MOST_DAYS}
 * @throws the first error of a picture that could not be removed, when everything else is done; its generation stays
 */
export async function performMaintenanceCleanup(store: Store, options: CleanupOptions = {}): Promise<Cleanup> {
  const ages = agesOf(options);
  const { finishedDays, failedDays, deletedDays } = ages;
  const detail = { task: 'cleanup', ...ages };
  await recordAct(store, { action: 'maintenance.run', actor: options.actor ?? LIBRARY, detail });
  const deletedBefore = daysAgo(store, deletedDays);
  const completed = { statuses: ['completed'], endedBefore: daysAgo(store, finishedDays), deletedBefore } as const;
  const withoutPictures = FINAL_STATUSES.filter((status) => status !== 'completed');
  const failed = { statuses: withoutPictures, endedBefore: daysAgo(store, failedDays), deletedBefore };
  await freezeDays(store, daysAgo(store, Math.min(finishedDays, failedDays, deletedDays)));

  const failures: unknown[] = [];
  // A generation stays until callers have been told what has become of it.
  await publishEvents(store, store.clock.now(), (error) => failures.push(error));
  const done = {
    oldGenerationsRemoved: await removeRetired(store, completed, options, failures),
    failedGenerationsRemoved: await removeRetired(store, failed, options, failures),
    subscriptionsUpdated: await endExpired(store, options),
  };
  if (failures.length > 0) throw failures[0];
  return done;
}

/** A wrong age would remove what nobody can bring back. */
function agesOf({ finishedDays, failedDays, deletedDays }: CleanupOptions): Ages {
  const ages = {
    finishedDays: finishedDays ?? DEFAULT_AGES.finishedDays,
    failedDays: failedDays ?? DEFAULT_AGES.failedDays,
    deletedDays: deletedDays ?? DEFAULT_AGES.deletedDays,
  };
  const wrong = Object.entries(ages).filter(([, days]) => !(Number.isInteger(days) && days >= 1 && days <= MOST_DAYS));
  if (wrong.length === 0) return ages;
  throw new ValidationFailedError(
    wrong.map(([path]) => ({ path, message: `Give a whole number of days from 1 to ${MOST_DAYS}` })),
  );
}

async function removeRetired(
  store: Store,
  retirement: Retirement,
  { removePicture, signal }: CleanupOptions,
  failures: unknown[],
): Promise<number> {
  let removed = 0;
  for await (const batch of retiredGenerations(store, retirement, BATCH)) {
    if (signal?.aborted) break;
    const needed = await neededByAccounts(store, batch);
    const ids = [];
    for (const generation of batch) {
      if (needed.has(generation._id.toHexString())) continue;
      if (await removePictures(generation, removePicture, failures)) ids.push(generation._id);
    }
    removed += await removeGenerations(store, ids, retirement);
  }
  return removed;
}

/** Whether none of the pictures is left. */
async function removePictures(
  { outputImages }: Retired,
  removePicture: CleanupOptions['removePicture'],
  failures: unknown[],
): Promise<boolean> {
  const names = outputImages.map(({ url }) => pictureNameOf(url)).filter((name) => name !== null);
  if (names.length === 0) return true;
  if (!removePicture) return false;
  const removals = await Promise.allSettled(names.map(removePicture));
  const failed = removals.filter((removal) => removal.status === 'rejected');
  failures.push(...failed.map(({ reason }) => reason));
  return failed.length === 0;
}

async function endExpired(store: Store, { signal, actor = LIBRARY }: CleanupOptions): Promise<number> {
  const endedBefore = daysAgo(store, RENEWAL_GRACE_DAYS);
  let ended = 0;
  for await (const subscription of expiredSubscriptions(store, endedBefore)) {
    if (signal?.aborted) break;
    if (await endExpiredSubscription(store, subscription, endedBefore, actor)) ended += 1;
  }
  return ended;
}

function daysAgo(store: Store, days: number): Date {
  return new Date(store.clock.now().getTime() - days * DAY_MS);
}
