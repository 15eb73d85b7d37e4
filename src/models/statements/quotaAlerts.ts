import { alertLevelOf, type QuotaAlert, type QuotaAlertLevel } from '../../domain/alerts.ts';
import { quotaOfPeriod } from '../../domain/quota.ts';
import { usersOf } from '../collections.ts';
import type { Store } from '../store.ts';
import type { ChargedAccount } from './accounts.ts';

export type QuotaAlertListener = (alert: QuotaAlert) => void;

const listeners = new WeakMap<object, Set<QuotaAlertListener>>();
const connectionOf = ({ models: { User } }: Store): object => User.db;

/**
 * From now on the listener is told of every user whose usage a charge over this connection brings to a level of alert, whichever
 * way the charge was made.
 *
 * @returns ends it
 */
export function onQuotaAlert(store: Store, listener: QuotaAlertListener): () => void {
  const connection = connectionOf(store);
  const told = listeners.get(connection) ?? new Set();
  listeners.set(connection, told.add(listener));
  return () => told.delete(listener);
}

/**
 * Whoever raises the account's level tells of it: once a period, and where that one died before, after the next charge. Where
 * nobody listens the level is not raised, so that a process with a listener still tells of it. The charge stands whatever
 * becomes of this.
 */
export async function tellIfReached(store: Store, account: ChargedAccount): Promise<void> {
  const level = alertLevelOf(quotaOfPeriod(account));
  if (level === null || level <= account.quotaAlert) return;
  const told = listeners.get(connectionOf(store));
  if (!told?.size) return;
  if (!(await raise(store, account, level).catch(() => false))) return;
  for (const tell of told) tell({ userId: account._id.toHexString(), tier: account.subscriptionTier, level });
}

/** @returns whether nobody had noted the level in the account's period before */
async function raise(store: Store, { _id, periodNumber }: ChargedAccount, level: QuotaAlertLevel): Promise<boolean> {
  const guard = { _id, periodNumber, quotaAlert: { $lt: level } };
  return (await usersOf(store).updateOne(guard, { $set: { quotaAlert: level } })).modifiedCount === 1;
}
