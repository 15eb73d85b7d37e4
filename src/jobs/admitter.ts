import { Types } from 'mongoose';
import { errorFields, type Log } from '../config/log.ts';
import { SETTLEMENT_BATCH } from '../repositories/settlement.ts';
import type { Context } from '../workflows/context.ts';

/** Lets generations into the queue, promptly behind the requests that have made room or brought them. */
export type Admitter = Pick<Context['queue'], 'notice' | 'entered'>;

/**
 * Users that are noticed while one batch is under way make the next one, so that under load a batch has many.
 *
 * @param admit lets in what waits of these users, and tells how many that were
 * @param wake told when there is something to claim
 */
export function createAdmitter(
  admit: (userIds: Types.ObjectId[]) => Promise<number>,
  wake: () => void,
  log: Log,
): Admitter {
  const noticed = new Set<string>();
  /** Ends with the batch that takes whoever was noticed last. */
  let last: Promise<void> | undefined;

  async function admitNoticed(): Promise<void> {
    const userIds = [...noticed].map((id) => new Types.ObjectId(id));
    noticed.clear();
    try {
      for (let at = 0; at < userIds.length; at += SETTLEMENT_BATCH) {
        if ((await admit(userIds.slice(at, at + SETTLEMENT_BATCH))) > 0) wake();
      }
    } catch (error) {
      log.warn('generations wait for the settlement to let them in', { users: userIds.length, ...errorFields(error) });
    }
  }

  function beginBatch(): void {
    const batch = (last ?? Promise.resolve()).then(admitNoticed).then(() => {
      if (last === batch) last = undefined;
    });
    last = batch;
  }

  return {
    notice(userId) {
      if (noticed.size === 0) beginBatch();
      noticed.add(userId.toHexString());
    },
    async entered() {
      if (last === undefined) return false;
      await last;
      return true;
    },
  };
}
