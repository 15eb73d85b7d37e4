import type { UnendedState } from '../domain/inbox.ts';
import type { Store } from '../models/store.ts';
import { inboxDepth } from '../repositories/inbox.ts';
import { readJobStates } from '../repositories/jobLeases.ts';
import { queueState } from '../repositories/queue.ts';

/** How the whole deployment fares, all processes together. */
export interface Operation {
  jobs: { name: string; outcome: string | null; lastSuccessAt: Date | null }[];
  queue: { queued: number; waiting: number; oldestSeconds: number };
  inbox: { open: number; stuck: number; waiting: number; oldestSeconds: number };
  /** What somebody should look at; empty when all is well. */
  problems: string[];
}

/** Seconds from which a wait means that something does not work. */
const QUEUE_IS_LATE = 300;
const INBOX_IS_LATE = 300;

/** In a time that does not follow how much there is. */
export async function readOperation(store: Store): Promise<Operation> {
  const [states, queue, depth] = await Promise.all([readJobStates(store), queueState(store), inboxDepth(store)]);
  const jobs = states.map(({ _id, lastRun, lastSuccessAt }) => ({
    name: _id,
    outcome: lastRun?.outcome ?? null,
    lastSuccessAt: lastSuccessAt ?? null,
  }));
  const eventsIn = (state: UnendedState) =>
    depth.filter((part) => part.state === state).reduce((sum, { events }) => sum + events, 0);
  const inbox = {
    open: eventsIn('open'),
    stuck: eventsIn('stuck'),
    waiting: eventsIn('waiting'),
    // Who waits for a user is not late.
    oldestSeconds: Math.max(...depth.map((part) => (part.state === 'waiting' ? 0 : part.oldestSeconds))),
  };
  const { queued, waiting, oldestSeconds } = queue;
  const problems = [
    ...jobs
      .filter(({ outcome }) => outcome === 'failed' || outcome === 'lost')
      .map(({ name }) => `job_failed: ${name}`),
    ...(oldestSeconds > QUEUE_IS_LATE ? ['queue_late'] : []),
    ...(inbox.stuck > 0 ? ['inbox_stuck'] : []),
    ...(inbox.open > 0 && inbox.oldestSeconds > INBOX_IS_LATE ? ['inbox_late'] : []),
  ];
  return { jobs, queue: { queued, waiting, oldestSeconds }, inbox, problems };
}
