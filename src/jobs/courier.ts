import type { Types } from 'mongoose';
import { errorFields, type Log } from '../config/log.ts';
import { type ClaimedDelivery, claimDelivery } from '../repositories/webhookDeliveries.ts';
import { attempt, type DeliveringDeps } from './delivering.ts';
import type { RunningJob } from './repeat.ts';

export interface CourierDeps extends DeliveringDeps {
  log: Log;
  /** Attempts at once. */
  concurrency?: number;
  /** Attempts at once for one user, so that receivers which never answer hold up no others. */
  perUser?: number;
}

export interface Courier extends RunningJob {
  /** Looks for deliveries now. */
  wake(): void;
}

const CONCURRENCY = 16;
const PER_USER = 4;

/** Milliseconds between two looks; what this process publishes wakes it at once. */
const IDLE_MS = 1_000;

/**
 * Makes every delivery that comes due, in any number of processes at once, until it is stopped. Stopping gives back what is under
 * way: a receiver may get it twice, with the same id.
 */
export function startCourier(deps: CourierDeps): Courier {
  const { store, log, concurrency = CONCURRENCY, perUser = PER_USER } = deps;
  const stopping = new AbortController();
  const running = new Map<Promise<void>, Types.ObjectId>();
  let alarm = Promise.withResolvers<void>();

  async function deliverUntilStopped(): Promise<void> {
    while (!stopping.signal.aborted) {
      const woken = alarm.promise;
      const claimed = running.size < concurrency ? await claim() : null;
      if (claimed) start(claimed);
      else await Promise.race([woken, sleep(IDLE_MS), ...(running.size < concurrency ? [] : running.keys())]);
    }
    await Promise.all(running.keys());
  }

  async function claim(): Promise<ClaimedDelivery | null> {
    try {
      return await claimDelivery(store, busyUsers([...running.values()], perUser));
    } catch (error) {
      log.warn('the courier cannot reach the deliveries', errorFields(error));
      return null;
    }
  }

  function start(claimed: ClaimedDelivery): void {
    const run = attempt(deps, claimed, stopping.signal)
      .catch((error: unknown) => {
        log.warn('an attempt is left until its claim runs out', {
          delivery: claimed._id.toHexString(),
          ...errorFields(error),
        });
      })
      .finally(() => {
        running.delete(run);
        // The user may have been one too many.
        wake();
      });
    running.set(run, claimed.userId);
  }

  function wake(): void {
    alarm.resolve();
    alarm = Promise.withResolvers();
  }

  const delivering = deliverUntilStopped();
  return {
    wake,
    async stop() {
      stopping.abort();
      wake();
      await delivering;
    },
  };
}

function busyUsers(userIds: readonly Types.ObjectId[], most: number): Types.ObjectId[] {
  const distinct = [...new Map(userIds.map((id) => [id.toHexString(), id])).values()];
  return distinct.filter((user) => userIds.filter((id) => id.equals(user)).length >= most);
}

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
