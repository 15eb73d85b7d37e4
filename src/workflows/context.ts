import type { Types } from 'mongoose';
import type { Log } from '../config/log.ts';
import type { Store } from '../models/store.ts';
import type { Charging } from '../repositories/charging.ts';

/** Of a process in which nobody waits for generations: the settlement alone lets them in. */
export const NO_QUEUE: Context['queue'] = { notice() {}, entered: async () => false, wake() {}, leasesLost() {} };

/** What the steps of a workflow share. */
export interface Context extends Store {
  log: Log;
  /** Makes what is charged once a call. */
  charging: Charging;
  /**
   * Told of every account with an open entry, so that it is settled soon; whoever forgets is caught by the sweeper. What nobody waits for
   * may be settled together with what follows.
   */
  settler: { notice(userId: Types.ObjectId, how?: { isWaitedFor: boolean }): void };
  queue: {
    /** Told of every user whose next generation may enter the queue, since one was paid for or has ended; the settlement is the safety net. */
    notice(userId: Types.ObjectId): void;
    /** Resolves when those noticed so far have been let in; with false when nobody was. */
    entered(): Promise<boolean>;
    /** Told when a generation may be claimed, so that an idle worker in this process need not wait for its next look. */
    wake(): void;
    /** Told how many attempts have lost their lease, since they were silent or took too long. */
    leasesLost(count: number): void;
  };
  /** Told of every generation that has moved, so that callers hear of it soon; whoever forgets is caught by the sweeper. */
  announcer: { notice(generationId: Types.ObjectId): void };
  /** Told when a delivery is due, so that the courier of this process need not wait for its next look. */
  courier: { wake(): void };
}
