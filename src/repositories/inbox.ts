import { Types } from 'mongoose';
import {
  type InboxDepth,
  type InboxState,
  stateAfter,
  type ToldEvent,
  UNENDED_STATES,
  type UnendedState,
  USER_WAIT_MS,
  WEBHOOK_SOURCES,
  type WebhookSource,
} from '../domain/inbox.ts';
import { usersOf, webhookEventsOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import type { Store } from '../models/store.ts';
import type { WebhookEvent, WebhookOutcome } from '../models/WebhookEvent.ts';

/** An event that this process may apply, as long as its lease runs. */
export type ClaimedEvent = WebhookEvent & Required<Pick<WebhookEvent, 'lease' | 'dueAt'>>;

/** How long one attempt may take, and how long an event lies where its process died. Milliseconds. */
export const ATTEMPT_MS = 60_000;

/**
 * Keeps an event, once for ever, and gives it to the caller to apply: nobody else tries it meanwhile.
 *
 * @param holds whether the caller will apply it; else it is due at once, for whoever looks first
 * @returns null when it was known
 */
export async function keepEvent(store: Store, told: ToldEvent, holds: boolean): Promise<ClaimedEvent | null> {
  const now = store.clock.now();
  const { id, subject, ...rest } = told;
  const event: ClaimedEvent = {
    ...rest,
    ...(subject !== undefined && { subject }),
    _id: eventId(told.source, id),
    receivedAt: now,
    state: 'open',
    attempts: holds ? 1 : 0,
    lease: crypto.randomUUID(),
    dueAt: new Date(now.getTime() + (holds ? ATTEMPT_MS : 0)),
  };
  try {
    await webhookEventsOf(store).insertOne(event);
    return event;
  } catch (error) {
    if (isDuplicateKey(error)) return null;
    throw error;
  }
}

export const eventId = (source: WebhookSource, id: string): string => `${source}:${id}`;

/** The event that has been due for longest, now leased to the caller, or null when none is due. */
export async function claimEvent(store: Store): Promise<ClaimedEvent | null> {
  const now = store.clock.now();
  const lease = crypto.randomUUID();
  const dueAt = new Date(now.getTime() + ATTEMPT_MS);
  const claimed = await webhookEventsOf(store).findOneAndUpdate(
    { dueAt: { $lte: now } },
    { $set: { lease, dueAt }, $inc: { attempts: 1 } },
    { sort: { dueAt: 1 }, returnDocument: 'after' },
  );
  return claimed && { ...claimed, lease, dueAt };
}

/** @returns false when the lease was lost: another will end it, and applying twice does no harm */
export async function endEvent(store: Store, event: ClaimedEvent, outcome: WebhookOutcome): Promise<boolean> {
  const { modifiedCount } = await webhookEventsOf(store).updateOne(underLease(event), {
    $set: { state: 'ended', outcome, endedAt: store.clock.now() },
    $unset: { dueAt: 1, lease: 1, failure: 1, awaits: 1 },
  });
  return modifiedCount === 1;
}

/** Keeps the reason of a failure, and when to try again. */
export async function postponeEvent(
  store: Store,
  event: ClaimedEvent,
  { delayMs, failure }: { delayMs: number; failure: string },
): Promise<void> {
  const dueAt = new Date(store.clock.now().getTime() + delayMs);
  await webhookEventsOf(store).updateOne(underLease(event), {
    $set: { state: stateAfter(event.attempts), dueAt, failure: failure.slice(0, 500) },
    $unset: { lease: 1 },
  });
}

/** Nothing stays of whom the event is about, and of what it told. */
export async function forgetFacts(store: Store, _id: string): Promise<void> {
  await webhookEventsOf(store).updateOne({ _id }, { $set: { facts: {} }, $unset: { subject: 1 } });
}

/** Sets an event aside until one of these users appears. */
export async function awaitUsers(store: Store, event: ClaimedEvent, awaits: string[]): Promise<void> {
  await webhookEventsOf(store).updateOne(underLease(event), {
    $set: { state: 'waiting', awaits, failure: 'user_unknown' },
    $unset: { dueAt: 1, lease: 1 },
  });
}

const underLease = ({ _id, lease }: ClaimedEvent) => ({ _id, lease });

/** How many users are looked for by one question. */
const LOOK_BATCH = 100;

/**
 * Looks for the users whom events wait for. What waits for one who has appeared becomes due; what has waited for too long comes to its end.
 *
 * @returns how many events became due
 */
export async function wakeEvents(store: Store): Promise<{ eventsWoken: number; eventsExpired: number }> {
  const now = store.clock.now();
  const events = webhookEventsOf(store);
  const expired = await events.updateMany(
    { state: 'waiting', receivedAt: { $lte: new Date(now.getTime() - USER_WAIT_MS) } },
    { $set: { state: 'ended', outcome: 'expired', endedAt: now }, $unset: { awaits: 1 } },
  );
  const named = await events.distinct('awaits', { awaits: { $exists: true } });
  const awaited = named.filter((name) => typeof name === 'string');
  let eventsWoken = 0;
  for (let from = 0; from < awaited.length; from += LOOK_BATCH) {
    const known = await knownAmong(store, awaited.slice(from, from + LOOK_BATCH));
    if (known.length === 0) continue;
    const woken = await events.updateMany(
      { awaits: { $in: known } },
      { $set: { state: 'open', dueAt: now, attempts: 0 }, $unset: { awaits: 1 } },
    );
    eventsWoken += woken.modifiedCount;
  }
  return { eventsWoken, eventsExpired: expired.modifiedCount };
}

/** A user is named by their id, or by Clerk's. */
async function knownAmong(store: Store, names: string[]): Promise<string[]> {
  const ids = names.filter((name) => Types.ObjectId.isValid(name) && name.length === 24);
  const filter = { $or: [{ _id: { $in: ids.map((id) => new Types.ObjectId(id)) } }, { clerkUserId: { $in: names } }] };
  const users = await usersOf(store)
    .find(filter, { projection: { clerkUserId: 1 } })
    .toArray();
  const known = new Set(users.flatMap(({ _id, clerkUserId }) => [_id.toHexString(), clerkUserId]));
  return names.filter((name) => known.has(name));
}

/** A place in the list of events, newest first. */
export interface InboxPosition {
  receivedAt: Date;
  id: string;
}

/** An event without what it says of anybody, and without what proves a claim on it. */
export type EventNote = Omit<WebhookEvent, 'facts' | 'subject' | 'lease'>;

const NOTE = { facts: 0, subject: 0, lease: 0 } as const satisfies Partial<Record<keyof WebhookEvent, 0>>;

export async function listEvents(
  store: Store,
  {
    state,
    source,
    after,
    limit,
  }: {
    state?: InboxState | undefined;
    source?: WebhookSource | undefined;
    after?: InboxPosition | undefined;
    limit: number;
  },
): Promise<EventNote[]> {
  const older = after && {
    receivedAt: { $lte: after.receivedAt },
    $or: [{ receivedAt: { $lt: after.receivedAt } }, { _id: { $lt: after.id } }],
  };
  return await webhookEventsOf(store)
    .find({ ...(state && { state }), ...(source && { source }), ...older }, { projection: NOTE })
    .sort({ receivedAt: -1, _id: -1 })
    .limit(limit)
    .toArray();
}

export async function isKept(store: Store, _id: string): Promise<boolean> {
  return (await webhookEventsOf(store).findOne({ _id }, { projection: { _id: 1 } })) !== null;
}

/**
 * Makes an event due now, as if it had just been received, whatever has become of it. An attempt that is under way loses its lease and
 * records nothing more.
 *
 * @returns null when there is none of that id
 */
export async function replayEvent(store: Store, _id: string): Promise<EventNote | null> {
  return await webhookEventsOf(store).findOneAndUpdate(
    { _id },
    {
      $set: { state: 'open', dueAt: store.clock.now(), attempts: 0 },
      $unset: { outcome: 1, endedAt: 1, awaits: 1, lease: 1, failure: 1 },
    },
    { returnDocument: 'after', projection: NOTE },
  );
}

/**
 * How much has not come to its end, and for how long the oldest of it has been here, for every source and state. Its cost follows what is
 * open, and not the history.
 */
export async function inboxDepth(store: Store): Promise<InboxDepth[]> {
  const now = store.clock.now().getTime();
  const rows = await webhookEventsOf(store)
    .aggregate<{ _id: { source: WebhookSource; state: UnendedState }; events: number; oldest: Date }>([
      { $match: { state: { $in: [...UNENDED_STATES] } } },
      {
        $group: {
          _id: { source: '$source', state: '$state' },
          events: { $sum: 1 },
          oldest: { $min: '$receivedAt' },
        },
      },
    ])
    .toArray();
  return WEBHOOK_SOURCES.flatMap((source) =>
    UNENDED_STATES.map((state) => {
      const found = rows.find(({ _id }) => _id.source === source && _id.state === state);
      const oldest = found?.oldest.getTime() ?? now;
      return { source, state, events: found?.events ?? 0, oldestSeconds: Math.max(0, (now - oldest) / 1000) };
    }),
  );
}
