import { errorFields } from '../config/log.ts';
import { type ClaimedEvent, claimEvent } from '../repositories/inbox.ts';
import type { Context } from '../workflows/context.ts';
import { type Attempted, attemptEvent, type EventApplier, type EventHandlers } from '../workflows/inbox.ts';
import { type RunningJob, repeat } from './repeat.ts';

/** Applies events behind the answers to their senders, and whatever others have left. */
export interface Inbox extends EventApplier {
  /** Applies events that are due, until none is or it is stopped. @returns how many were tried */
  work(signal?: AbortSignal): Promise<number>;
  /** Looks for due events from time to time, until it is stopped. */
  start(): RunningJob;
  /** Resolves when everything taken or woken for so far has been tried. */
  drained(): Promise<void>;
}

/** Told of every attempt, and of how old the event was then. */
export type EventObserver = (source: string, attempted: Attempted, lagSeconds: number) => void;

/** Events applied at once: each one may wait for somebody else's answer. */
const HANDS = 16;
/** Events held in memory; those about the same subject are applied together, so that a crowd of them costs little more than one. */
const ROOM = 5_000;
const LOOK_INTERVAL_MS = 2_000;

export function createInbox(ctx: Context, handlers: EventHandlers, observe: EventObserver = () => {}): Inbox {
  const waiting = new Map<string, ClaimedEvent[]>();
  let held = 0;
  const underWay = new Set<Promise<void>>();
  const looks = new Set<Promise<void>>();
  const stopping = new AbortController();

  function take(event: ClaimedEvent): void {
    const about = event.subject === undefined ? event._id : `${event.source}:${event.subject}`;
    waiting.set(about, [...(waiting.get(about) ?? []), event]);
    held += 1;
    fill();
  }

  function fill(): void {
    while (underWay.size < HANDS) {
      const [next] = waiting;
      if (!next) return;
      const [about, events] = next;
      waiting.delete(about);
      held -= events.length;
      const attempt = handleAll(events).finally(() => {
        underWay.delete(attempt);
        fill();
      });
      underWay.add(attempt);
    }
  }

  async function handleAll(events: readonly ClaimedEvent[]): Promise<void> {
    await Promise.all(events.map(handle));
  }

  async function handle(event: ClaimedEvent): Promise<void> {
    // Its lease has ended while it lay here: somebody else has it.
    if (ctx.clock.now() >= event.dueAt) return;
    try {
      const attempted = await attemptEvent(ctx, handlers, event);
      observe(event.source, attempted, (ctx.clock.now().getTime() - event.receivedAt.getTime()) / 1000);
    } catch (error) {
      ctx.log.warn('an event is left to the next look', { event: event._id, ...errorFields(error) });
    }
  }

  async function work(signal?: AbortSignal): Promise<number> {
    let tried = 0;
    while (!signal?.aborted) {
      const event = await claimEvent(ctx);
      if (!event) break;
      tried += 1;
      take(event);
      if (underWay.size >= HANDS) await Promise.race(underWay);
    }
    while (underWay.size > 0) await Promise.race(underWay);
    return tried;
  }

  function wake(): void {
    const look = lookNow().finally(() => looks.delete(look));
    looks.add(look);
  }

  async function lookNow(): Promise<void> {
    try {
      await work(stopping.signal);
    } catch (error) {
      ctx.log.warn('what is due is left to the next look', errorFields(error));
    }
  }

  async function drained(): Promise<void> {
    while (underWay.size + looks.size > 0) await Promise.race([...underWay, ...looks]);
  }

  return {
    hasRoom: () => held < ROOM,
    take,
    wake,
    work,
    drained,
    start() {
      const looking = repeat(
        'webhook-inbox',
        LOOK_INTERVAL_MS,
        ctx.log,
        async () => void (await work(stopping.signal)),
      );
      return {
        async stop() {
          stopping.abort();
          await looking.stop();
          await drained();
        },
      };
    },
  };
}
