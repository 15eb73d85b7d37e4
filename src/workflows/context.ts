import type { Types } from 'mongoose';
import type { Log } from '../config/log.ts';
import type { QuotaAlert } from '../domain/alerts.ts';
import type { Store } from '../models/store.ts';

/** What the steps of a workflow share. */
export interface Context extends Store {
  log: Log;
  /** Told of every account with an open entry, so that it is settled soon; whoever forgets is caught by the sweeper. */
  settler: { notice(userId: Types.ObjectId): void };
  /** Told when a generation may be claimed, so that an idle worker in this process need not wait for its next look. */
  queue: { wake(): void };
  /** Told of every user whose usage has just reached a level of alert. */
  alertQuota(alert: QuotaAlert): void;
}
