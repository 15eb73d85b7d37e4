import { Types } from 'mongoose';
import { errorFields, type Log } from '../config/log.ts';
import { SETTLEMENT_BATCH } from '../repositories/settlement.ts';

/** Settles, behind the requests, the accounts that this process has moved. */
export interface Settler {
  notice(userId: Types.ObjectId): void;
  /** Resolves when everything noticed so far is settled or left to the sweeper. */
  drained(): Promise<void>;
}

/** Milliseconds to wait for company: accounts noticed together are settled by one round of commands. */
const GATHERING_MS = 20;

/**
 * @param settle brings the accounts' ledger and generations up to date
 */
export function createSettler(settle: (userIds: Types.ObjectId[]) => Promise<unknown>, log: Log): Settler {
  const noticed = new Set<string>();
  let draining: Promise<void> | undefined;

  async function drain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHERING_MS));
    while (noticed.size > 0) {
      const batch = [...noticed].slice(0, SETTLEMENT_BATCH);
      for (const id of batch) noticed.delete(id);
      await settle(batch.map((id) => new Types.ObjectId(id))).catch((error: unknown) => {
        log.warn('accounts are left to the sweeper', { accounts: batch.length, ...errorFields(error) });
      });
    }
    draining = undefined;
  }

  return {
    notice(userId) {
      noticed.add(userId.toHexString());
      draining ??= drain();
    },
    async drained() {
      await draining;
    },
  };
}
