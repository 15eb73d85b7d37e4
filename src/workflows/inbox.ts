import { errorFields } from '../config/log.ts';
import { ArtifexError } from '../domain/errors.ts';
import { retryDelayMs, type WebhookSource } from '../domain/inbox.ts';
import type { WebhookOutcome } from '../models/WebhookEvent.ts';
import { awaitUsers, type ClaimedEvent, endEvent, postponeEvent } from '../repositories/inbox.ts';
import type { Context } from './context.ts';

/**
 * Applies one event of its source. It reads what is true now instead of trusting the event, so that events may come in any
 * order, twice, or late, and applying one again changes nothing.
 *
 * @throws {UnknownUserError} when the user whom the event is about is not known yet
 * @throws {ArtifexError} `unavailable` when a service that it needs is out of reach
 */
export type ApplyEvent = (event: ClaimedEvent) => Promise<Exclude<WebhookOutcome, 'expired'>>;

/** Whoever in this process applies events, behind the answers to their senders. */
export interface EventApplier {
  /** Whether it has hands for another event; what it does not take is left to whoever looks first. */
  hasRoom(): boolean;
  /** Applies a claimed event soon. */
  take(event: ClaimedEvent): void;
  /** Looks now for events that are due. */
  wake(): void;
}

export type EventHandlers = Readonly<Record<WebhookSource, ApplyEvent>>;

/** The event is about somebody who has not signed in yet. */
export class UnknownUserError extends Error {
  override readonly name = 'UnknownUserError';
  /** In whichever words it names them: our id, or Clerk's. Empty: in none. */
  readonly users: string[];

  constructor(users: string[]) {
    super('The event names no user who is known');
    this.users = users;
  }
}

/** What became of an attempt. */
export type Attempted = 'applied' | 'ignored' | 'waiting' | 'failed';

/** Applies an event and records what became of it; a failure is kept with its reason and tried again. It throws nothing that the event caused. */
export async function attemptEvent(ctx: Context, handlers: EventHandlers, event: ClaimedEvent): Promise<Attempted> {
  try {
    const outcome = await handlers[event.source](event);
    await endEvent(ctx, event, outcome);
    return outcome;
  } catch (error) {
    if (error instanceof UnknownUserError) {
      await awaitUsers(ctx, event, error.users);
      return 'waiting';
    }
    await postpone(ctx, event, error);
    return 'failed';
  }
}

async function postpone(ctx: Context, event: ClaimedEvent, error: unknown): Promise<void> {
  const isUnavailable = error instanceof ArtifexError && error.code === 'unavailable';
  const delayMs = retryDelayMs(event.attempts, isUnavailable, Math.random());
  ctx.log.warn('a webhook could not be applied and will be tried again', {
    event: event._id,
    type: event.type,
    attempts: event.attempts,
    ...errorFields(error),
  });
  await postponeEvent(ctx, event, { delayMs, failure: reasonOf(error) });
}

/** The kind of a failure. What else a foreign error says may hold data of the event, and stays in the log. */
function reasonOf(error: unknown): string {
  if (error instanceof ArtifexError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.name : typeof error;
}
