import { Types } from 'mongoose';
import { errorFields, type Log } from '../config/log.ts';
import { SETTLEMENT_BATCH, type Settled } from '../repositories/settlement.ts';
import type { JobObserver } from './job.ts';

/** Settles, behind the requests, the accounts that this process has moved. */
export interface Settler {
  notice(userId: Types.ObjectId): void;
  /** Resolves when everything noticed so far is settled or left to the sweeper. */
  drained(): Promise<void>;
}

/** Milliseconds to wait for company: accounts noticed together are settled by one round of commands. */
const GATHERING_MS = 20;

/**
 * @param settle brings the accounts' ledger and generations up to date, and tells what that took
 */
export function createSettler(
  settle: (userIds: Types.ObjectId[]) => Promise<Settled>,
  log: Log,
  observer: JobObserver,
): Settler {
  const noticed = new Set<string>();
  let draining: Promise<void> | undefined;

  async function drain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHERING_MS));
    while (noticed.size > 0) {
      const batch = [...noticed].slice(0, SETTLEMENT_BATCH);
      for (const id of batch) noticed.delete(id);
      await settleBatch(batch.map((id) => new Types.ObjectId(id)));
    }
    draining = undefined;
  }

  async function settleBatch(userIds: Types.ObjectId[]): Promise<void> {
    const startedAt = performance.now();
    const seconds = () => (performance.now() - startedAt) / 1000;
    try {
      const settled = await settle(userIds);
      observer.jobEnded('settlement', 'succeeded', seconds(), { ...settled });
    } catch (error) {
      observer.jobEnded('settlement', 'failed', seconds());
      log.warn('accounts are left to the sweeper', { accounts: userIds.length, ...errorFields(error) });
    }
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
