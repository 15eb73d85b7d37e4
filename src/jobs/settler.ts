import { Types } from 'mongoose';
import { errorFields, type Log } from '../config/log.ts';
import { LEISURE_MS } from '../domain/ledger.ts';
import { SETTLEMENT_BATCH, type Settled } from '../repositories/settlement.ts';
import type { JobObserver } from './job.ts';

/** Settles, behind the requests, the accounts that this process has moved. */
export interface Settler {
  /** Nobody waits for a charge without key and generation: whoever reads the ledger settles first. */
  notice(userId: Types.ObjectId, how?: { isWaitedFor: boolean }): void;
  /** Resolves when everything noticed so far is settled or left to the sweeper. */
  drained(): Promise<void>;
}

/** Milliseconds to wait for company: accounts noticed together are settled by one round of commands. */
const GATHERING_MS = 20;

/** So many entries are worth a settlement of their own: an account with many open ones is dear to write. */
const CROWD = 16;

/**
 * @param settle brings the accounts' ledger and generations up to date, and tells what that took
 */
export function createSettler(
  settle: (userIds: Types.ObjectId[]) => Promise<Settled>,
  log: Log,
  observer: JobObserver,
): Settler {
  const due = new Set<string>();
  /** How often each was noticed. */
  const atLeisure = new Map<string, number>();
  let leisure: ReturnType<typeof setTimeout> | undefined;
  let draining: Promise<void> | undefined;

  function makeDue(id: string): void {
    atLeisure.delete(id);
    due.add(id);
    draining ??= drain();
  }

  function makeAllDue(): void {
    clearTimeout(leisure);
    leisure = undefined;
    for (const id of [...atLeisure.keys()]) makeDue(id);
  }

  async function drain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHERING_MS));
    while (due.size > 0) {
      const batch = [...due].slice(0, SETTLEMENT_BATCH);
      for (const id of batch) due.delete(id);
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
    notice(userId, { isWaitedFor } = { isWaitedFor: true }) {
      const id = userId.toHexString();
      const noticed = (atLeisure.get(id) ?? 0) + 1;
      if (isWaitedFor || noticed === CROWD) makeDue(id);
      else if (!due.has(id)) {
        atLeisure.set(id, noticed);
        leisure ??= setTimeout(makeAllDue, LEISURE_MS);
      }
    },
    async drained() {
      makeAllDue();
      await draining;
    },
  };
}
